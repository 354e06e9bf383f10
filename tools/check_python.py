"""Say in one line what is missing when the interpreter is too old, before pip says it in fifty."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is the message for exactly those interpreters
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"Python 3.11 or newer is needed, this is {found}. Install one, then: make PYTHON=python3.11 ...")
