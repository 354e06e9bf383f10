"""`python -m tools.mutation`: see gate.py."""

import sys

from tools.mutation.gate import main

sys.exit(main())
