"""Power-on of the virtual board: what the boot ROM of a real board does, boot.py and then main.py."""

import sys

import line_settings
import tether

sys.modules["termios"] = line_settings
tether.pass_time(0, 0)  # the first answer brings the levels of the inputs

import boot  # noqa: E402, F401
import main  # noqa: E402, F401
