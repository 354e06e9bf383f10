"""`python -m tomato_host` is `tomato-host`."""

from tomato_host.cli.main import main

main()
