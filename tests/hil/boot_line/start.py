"""Power-on of a VM on a real terminal line, whose kernel turns 0x03 into an interrupt while MicroPython has it armed.

As on a chip, and unlike the twin's socket: armed for each file that is run, until `micropython.kbd_intr(-1)`.
"""

import sys
import termios

import machine  # noqa: F401  (built into a chip: importing it there is no moment in which anything could come)
import pyexec
import uselect
import vm_channel

ISIG = 1
LFLAG = 3

real = termios


def kbd_intr(char):
    """Let the line's 0x03 be an interrupt (3), or a byte (-1); the byte that interrupts is not read, as on a chip.

    One that came before the file's first jump is raised there, again as on a chip.
    """
    mode = real.tcgetattr(0)
    mode[LFLAG] = mode[LFLAG] | ISIG if char == 3 else mode[LFLAG] & ~ISIG
    mode[6][5] = mode[6][6] = 0  # VTIME, VMIN: a read returns what is there
    real.tcsetattr(0, real.TCSANOW, mode)
    if char == 3 and b"\x03" in waiting_bytes():
        raise KeyboardInterrupt


def waiting_bytes():
    """What came while the interrupt was off: a chip's console takes a 0x03 out of it, and it is pending."""
    line = uselect.poll()
    line.register(sys.stdin, uselect.POLLIN)
    found = b""
    while line.poll(0):
        found += sys.stdin.buffer.read(1)
    return found


class Line:
    """`termios` for the firmware's link: the line is raw already."""

    TCSANOW = 0
    tcgetattr = staticmethod(lambda fd: [0, 0, 0, 0, 0, 0, [0] * 32])
    tcsetattr = staticmethod(lambda fd, when, mode: None)
    setraw = staticmethod(lambda fd: None)


sys.modules["termios"] = Line
sys.modules["micropython"] = pyexec.Micropython(kbd_intr)
vm_channel.report("power")
pyexec.boot(kbd_intr)
vm_channel.at_prompt()
state = pyexec.Prompt()
while True:
    vm_channel.wait(50, 0)
    for char in sys.stdin.buffer.read(64) or b"":
        if state.take(char):
            vm_channel.reset(5)
