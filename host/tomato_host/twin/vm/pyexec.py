"""What MicroPython does around main.py: boot.py, main.py and then its prompt, as shared/runtime/pyexec.c has it.

The console's interrupt (0x03 raises KeyboardInterrupt) is switched on for each file that is run and off after it.
main.py is not run when boot.py failed. A program that ends leaves the pins as they are and the prompt in charge.
"""

import os
import sys

import micropython
import vm_channel

CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = 1, 2, 3, 4, 5
SOFT_RESET = 5


class Micropython:
    """The module `micropython`, with the console's interrupt as the port has it: `kbd_intr` gets the character."""

    def __init__(self, kbd_intr):
        self.kbd_intr = kbd_intr

    def __getattr__(self, name):
        return getattr(micropython, name)


class System:
    """The module `sys`, on another platform."""

    def __init__(self, platform, machine):
        self.platform = platform
        self.implementation = Implementation(machine)

    def __getattr__(self, name):
        return getattr(sys, name)


class Implementation:
    """`sys.implementation` of that platform."""

    def __init__(self, machine):
        self._machine = machine

    def __getattr__(self, name):
        return getattr(sys.implementation, name)


def _source(name):
    """The text of a file of the root: beside the board's own files, or in the firmware folder."""
    for folder in [""] + sys.path:
        path = folder + "/" + name if folder else name
        try:
            with open(path) as file:
                return file.read()
        except OSError:
            pass
    return None


def _armed(text):
    """The file with the console's interrupt switched on where a chip could first raise it.

    A chip arms it before the file, holds a 0x03 as pending and raises it at the first jump. This VM raises it
    between any two instructions, even within the stand-ins. What stands before the first `try` of the file has no jump
    (tests/firmware_core/test_boot.py holds that), so the first `try` is where it may come; `kbd_intr(3)` raises there
    for a byte that came before. A file without one is armed at its first line.
    """
    at = text.find("\ntry:\n")
    if at < 0:
        return "kbd_intr(3); " + text
    at += len("\ntry:\n")
    return text[:at] + "    kbd_intr(3)\n" + text[at:]


def run_file(name, kbd_intr):
    """Run a file as the port runs it; False when it failed. SystemExit passes: the twin has cut the power."""
    text = _source(name)
    if text is None:
        return True
    code = compile(_armed(text), name, "exec")
    names = {"__name__": "__main__", "__file__": name, "kbd_intr": kbd_intr}
    try:
        exec(code, names)
        return True
    except SystemExit:
        raise
    except BaseException as error:
        sys.print_exception(error, sys.stderr)  # stdout is the link
        return False
    finally:
        kbd_intr(-1)


def boot(kbd_intr):
    """Run boot.py and main.py."""
    if run_file("boot.py", kbd_intr):
        run_file("main.py", kbd_intr)


class Prompt:
    """The prompt's modes, by the characters that change them. It runs nothing."""

    def __init__(self):
        self.mode = "friendly"
        self.line = 0

    def take(self, char):
        """One character; True when it asks for a soft reset."""
        if self.mode == "paste":
            if char == CTRL_C or char == CTRL_D:
                self.mode = "friendly"
        elif self.mode == "raw":
            if char == CTRL_D and not self.line:
                return True
            if char == CTRL_B:
                self.mode = "friendly"
            self.line = self.line + 1 if char > CTRL_E else 0
        elif self.line == 0 and char <= CTRL_E:
            if char == CTRL_D:
                return True
            self.mode = "raw" if char == CTRL_A else "paste" if char == CTRL_E else "friendly"
        else:
            self.line = 0 if char in (CTRL_C, 13, 10) else self.line + 1 if char >= 32 else self.line
        return False


def prompt():
    """The prompt for ever, timers and watchdog running on."""
    vm_channel.at_prompt()
    state = Prompt()
    while True:
        for _ in range(max(0, vm_channel.wait(3600000, 0xFFFFFFFF))):
            if state.take(sys.stdin.buffer.read(1)[0]):
                vm_channel.reset(SOFT_RESET)


def disguise(column, platform):
    """Make `sys` and the console those of a port; the chip's own code for its line is used then, not a terminal's."""
    if platform:
        sys.modules["sys"] = System(platform, column["machine"])
        sys.modules["termios"] = None


def provision():
    """Give the board its first budgets and settings, as flashing it does; only where it has none."""
    if os.getenv("TOMATO_PROVISION"):
        from tomato.hal import flash_store

        flash_store.provision()
        for name in list(sys.modules):
            if name == "tomato" or name.startswith("tomato."):
                del sys.modules[name]
