"""Power-on of the virtual board: what the boot ROM of a real board does, boot.py and then main.py."""

import gc

import tether

tether.wait(0, False)  # the first answer brings the levels of the inputs
gc.collect()

import boot  # noqa: E402, F401
import main  # noqa: E402, F401
