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
VINTR, VQUIT, VTIME, VMIN, VSUSP = 0, 1, 5, 6, 10
NO_CHARACTER = b"\x00"

real = termios


def line_mode(armed):
    """The line's settings with the interrupt on or off. A chip knows one such byte: a terminal's 0x1c (SIGQUIT, which
    ends the VM) and 0x1a (SIGTSTP) are bytes like any other; frames hold them in sequence numbers and check sums."""
    mode = real.tcgetattr(0)
    mode[LFLAG] = mode[LFLAG] | ISIG if armed else mode[LFLAG] & ~ISIG
    characters = mode[6]
    characters[VINTR] = b"\x03"
    characters[VQUIT] = characters[VSUSP] = NO_CHARACTER
    characters[VTIME] = characters[VMIN] = 0  # a read returns what is there
    return mode


# Made before anything can interrupt: a signal that is raised while the VM allocates must not leave half a list.
ARMED = line_mode(True)
DISARMED = line_mode(False)


def kbd_intr(char):
    """Let the line's 0x03 be an interrupt (3), or a byte (-1); the byte that interrupts is not read, as on a chip.

    One that came before the file's first jump is raised there, again as on a chip.
    """
    real.tcsetattr(0, real.TCSANOW, ARMED if char == 3 else DISARMED)
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
