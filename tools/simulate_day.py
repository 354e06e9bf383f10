"""Simulate a day: source -> estimator -> storage. The same as `tomato-host simulate`."""

from __future__ import annotations

import sys

from tomato_host.cli.main import main

if __name__ == "__main__":
    main(["simulate", *sys.argv[1:]])
