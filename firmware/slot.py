"""Which of the two installed firmwares runs: folder `a` or `b`, named in the file `slot`, changed by flashing.

`slot` holds `a`, or `b 3 a` for a new one on trial: three boots to prove itself, then the old one runs again. Without
the file the firmware lies in the root, as in development. Kept as source beside boot.py; needs nothing else.
"""

import os
import sys

POINTER = "slot"
SLOTS = ("a", "b")
chosen = None


def _read():
    """The words of the pointer; none when there is no pointer or it makes no sense."""
    try:
        with open(POINTER) as file:
            words = file.read().split()
    except OSError:
        return []
    if len(words) not in (1, 3) or words[0] not in SLOTS:
        return []
    return words


def _write(text):
    """Swap the pointer whole: a cut leaves the old one or the new one."""
    with open(POINTER + ".new", "w") as file:
        file.write(text)
    os.rename(POINTER + ".new", POINTER)


def choose():
    """Put the folder of the firmware to run first on the import path; its name, or "" for the root."""
    global chosen
    if chosen is not None:
        return chosen
    chosen = ""
    words = _read()
    if words:
        chosen = words[0]
        if len(words) == 3:
            chosen = _on_trial(words)
        sys.path.insert(0, chosen)
    return chosen


def _on_trial(words):
    """Count this boot of a firmware that has not proved itself, or go back to the one before."""
    new, tries, old = words
    if tries.isdigit() and int(tries) > 0:
        _write("%s %d %s" % (new, int(tries) - 1, old))
        return new
    _write(old)
    try:
        import tries

        tries.fresh()  # the old firmware gets all its tries
    except ImportError:  # a flash that was cut off before this file came
        pass
    return old


def confirm():
    """The firmware that runs has proved itself. Writes flash: only while every output is off."""
    words = _read()
    if len(words) == 3 and words[0] == chosen:
        _write(chosen)
