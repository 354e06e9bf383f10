"""First thing after power: every output off, then the console's interrupt off, before anything else is imported.

MicroPython does not run main.py when this file fails, so nothing that arrives on the line may end it.
"""

import sys

from machine import Pin

# Written out here and not read from the pin maps: a broken file elsewhere must not keep a relay on.
OUTPUT_PINS = {"rp2": (2, 3, 4, 5, 6, 7, 8), "esp32": (16, 17, 18, 19, 23, 25, 26)}.get(
    sys.platform, (2, 3, 4, 5, 6, 7, 8)
)
ERROR_FILE = "last_error.txt"


def outputs_off():
    """Drive every output pin low."""
    for gpio in OUTPUT_PINS:
        Pin(gpio, Pin.OUT, value=0)


def console_interrupt_off():
    """Make 0x03 a byte like any other: MicroPython switches it on anew for every file and every line it runs."""
    import micropython

    micropython.kbd_intr(-1)


def remember(error):
    """Keep what ended the last run, for `tomato-host board logs`. A flash that refuses must not stop the reset.

    The same error again is not written again: a board that fails at every start must not wear its flash out.
    """
    try:
        import io

        text = io.StringIO()
        sys.print_exception(error, text)
        if text.getvalue() != _last_error():
            with open(ERROR_FILE, "w") as file:
                file.write(text.getvalue())
    except OSError:
        pass


def _last_error():
    try:
        with open(ERROR_FILE) as file:
            return file.read()
    except OSError:
        return ""


def reset_board():
    """Begin anew, as after power-on."""
    import machine

    machine.reset()


try:
    outputs_off()
    console_interrupt_off()
    # MicroPython raises what a 0x03 asked for at the next jump: the loop in here has one, within this try.
    outputs_off()
except BaseException:  # a 0x03 came in between
    console_interrupt_off()
    try:
        outputs_off()
    except BaseException:  # and a second one right after it; a third cannot
        outputs_off()
try:
    import slot

    slot.choose()
except BaseException as error:  # whatever is wrong with a file, the outputs are off and main.py is still run
    remember(error)
