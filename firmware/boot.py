"""First thing after power: every output off, before anything else is even imported."""

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


def remember(error):
    """Keep what ended the last run, for `tomato-host board logs`. A flash that refuses must not stop the reset."""
    try:
        with open(ERROR_FILE, "w") as file:
            sys.print_exception(error, file)
    except OSError:
        pass


def reset_board():
    """Begin anew, as after power-on."""
    import machine

    machine.reset()


outputs_off()
try:
    import slot

    slot.choose()
except Exception as error:  # whatever is wrong with a file, the outputs are off and the console answers
    remember(error)
