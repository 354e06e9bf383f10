"""Power-on of the virtual board: what the boot ROM of a real board does, boot.py and then main.py."""

import sys

import line_settings
import vm_channel

sys.modules["termios"] = line_settings
vm_channel.pass_time(0, 0)  # the first answer brings the levels of the inputs

try:
    import boot  # noqa: F401
    import main  # noqa: F401
except Exception as error:
    sys.print_exception(error, sys.stderr)  # stdout is the link
    raise SystemExit(1)
