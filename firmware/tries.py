"""Whether this start may run the firmware: counts the starts that did not last, without touching flash.

Three in a row leave the prompt reachable with every output off, and so does the button held while the board starts:
nobody is locked out of a board whose firmware ends at once. A board that was left so tries again after ten minutes,
because a plant cannot wait for a person. The count lies in a register that a reset keeps and a power cut clears.
"""

import sys

MOST = 3
RETRY_MS = 600_000
BUTTON_PIN = {"rp2": 11, "esp32": 14}.get(sys.platform, 11)  # as in the pin maps; a push button to ground
HELD_LOOKS = 5
LOOK_MS = 10
TIMER_ID = {"esp32": 2}.get(sys.platform, -1)  # the ESP32 has hardware timers only; 0 and 1 are the firmware's
IGNORE_BUTTON = 0x10
_MAGIC = 0x746F6D00  # "tom" above the count: what a register holds by chance is no count
_SCRATCH = (0x4005800C, 0x400D800C)  # WATCHDOG_SCRATCH0 of the RP2040, of the RP2350
retry = None


def _read():
    """The count and its flag; 0 where nothing sensible is kept."""
    try:
        word = _register_read()
    except Exception:  # a port without such a register: every start is a first one
        return 0
    return word & 0xFF if word & ~0xFF == _MAGIC else 0


def _write(count):
    try:
        _register_write(_MAGIC | count)
    except Exception:  # as above
        pass


def _scratch():
    return _SCRATCH[1 if "RP2350" in getattr(sys.implementation, "_machine", "") else 0]


def _register_read():
    import machine

    if sys.platform == "esp32":
        return int.from_bytes(machine.RTC().memory()[:4], "little")
    return machine.mem32[_scratch()]


def _register_write(word):
    import machine

    if sys.platform == "esp32":
        machine.RTC().memory(word.to_bytes(4, "little"))
    else:
        machine.mem32[_scratch()] = word


def may_run():
    """Count this start. False: leave the prompt to whoever is there; a timer resets the board in ten minutes."""
    kept = _read()
    count = kept & 0x0F
    if not kept & IGNORE_BUTTON and _held():
        # A button that is stuck, and not held, costs ten minutes of one start and not the plant.
        _stay(IGNORE_BUTTON)
        return False
    if count >= MOST:
        _stay(0)
        return False
    _write(count + 1)
    return True


def lasted():
    """This start has proved itself: the next failure is a first one."""
    _write(0)


def fresh():
    """Another firmware runs from now on: what the one before did does not count."""
    _write(_read() & IGNORE_BUTTON)


def _held():
    """True while the button stays pressed for some looks in a row."""
    import time

    from machine import Pin

    button = Pin(BUTTON_PIN, Pin.IN, Pin.PULL_UP)
    for _ in range(HELD_LOOKS):
        time.sleep_ms(LOOK_MS)
        if button.value():
            return False
    return True


def _stay(kept):
    global retry
    import machine

    _write(kept)
    try:
        retry = machine.Timer(TIMER_ID)
        retry.init(mode=machine.Timer.ONE_SHOT, period=RETRY_MS, callback=_again)
    except Exception:  # without a timer the prompt stays until somebody comes: better than to fail for ever
        retry = None


def _again(_timer):
    import machine

    machine.reset()


def stay_for_good():
    """The console is in use: no reset by itself any more. A reset by hand, or power, begins anew."""
    if retry:
        retry.deinit()
