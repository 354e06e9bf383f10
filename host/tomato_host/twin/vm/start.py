"""Power-on of the virtual board: what MicroPython on a real board does, boot.py, main.py and then the prompt."""

import gc
import os
import sys

import line_settings
import ports
import pyexec
import vm_channel

sys.modules["termios"] = line_settings
vm_channel.pass_time(0, 0)  # the first answer brings the levels of the inputs


def kbd_intr(_char):
    """The link is a socket: no byte of it can interrupt (tests/hil/boot_line has a line where one can)."""


sys.modules["micropython"] = pyexec.Micropython(kbd_intr)
platform = os.getenv("TOMATO_PLATFORM")
pyexec.disguise(ports.profile(os.getenv("TOMATO_PORT_PROFILE") or ports.DEFAULT), platform)
# A chip has these in its flash. Here they are compiled into the board's heap: before it is in use, so that what the
# compiler leaves behind lies in one piece again. Of the table of ports the board's own column is kept.
for name in ("ds18x20", "machine", "onewire", "select", "time"):
    __import__(name)
del sys.modules["ports"], ports
gc.collect()
pyexec.provision()
pyexec.boot(kbd_intr)
pyexec.prompt()
