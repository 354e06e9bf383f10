"""The latest readings and switches: the only thing the core knows of the outside."""

from array import array

from tomato import contract as c
from tomato.core.clock64 import shifted

N_SENSORS = len(c.SENSORS)
_LOWEST = tuple(s[2] for s in c.SENSORS)
_HIGHEST = tuple(s[3] for s in c.SENSORS)
SHORT = 1
LONG = 2
# Rounds without a value (10 s each on a board) until a sensor counts as lost: one spoilt transfer is no news.
LOST_AFTER = 3
RELEASED_MS = 1_000


class Inputs:
    """Readings by sensor id (`value` in wire units, `valid`, `why`, `t_ms`) and the raw lines of the board.

    `estop` and `button` are 1 while pressed, `flow_count` counts pulses since boot, `pin_fault` is the mask of
    outputs whose pin does not read back what was written, `cut` the mask of outputs that the hardware timer holds off
    although they were still wanted. `gone` is the mask of sensors that gave no value for LOST_AFTER rounds; a part that
    is not fitted (WHY_DISABLED) is never gone. `bus_recoveries` counts how often the sensor bus was set up anew.
    `news` is set by a reading that differs from the one before, until the faults have been looked for, `touched` by
    every reading, until the core has looked at the inputs.
    Everything is allocated once.
    """

    def __init__(self):
        self.value = array("i", [0] * N_SENSORS)
        self.valid = bytearray(N_SENSORS)
        self.why = bytearray([c.WHY_NEVER_READ] * N_SENSORS)
        self.t_ms = [0] * N_SENSORS
        self.misses = bytearray(N_SENSORS)
        self.gone = 0
        self.estop = 0
        self.button = 0
        self.flow_count = 0
        self.pin_fault = 0
        self.cut = 0
        self.bus_recoveries = 0
        self.bus_free = True
        self.news = True
        self.touched = True

    def plausible(self, sensor, value):
        """True when a reading can be true in a tent."""
        return _LOWEST[sensor] <= value <= _HIGHEST[sensor]

    def put(self, sensor, value, now_ms):
        """Store a reading; one that cannot be true becomes `out_of_range` instead."""
        if self.valid[sensor] and self.value[sensor] == value:  # the same again: only its age is new
            self.t_ms[sensor] = now_ms
            self.touched = True
            return
        if not _LOWEST[sensor] <= value <= _HIGHEST[sensor]:
            self.lost(sensor, c.WHY_OUT_OF_RANGE, now_ms)
            return
        self.news = True
        self.value[sensor] = value
        self.valid[sensor] = 1
        self.why[sensor] = c.WHY_NONE
        self.t_ms[sensor] = now_ms
        self.touched = True
        self.misses[sensor] = 0
        self.gone &= ~(1 << sensor)

    def lost(self, sensor, why, now_ms):
        """Say that there is no value, and why (a WHY_ number)."""
        self.valid[sensor] = 0
        self.touched = True
        self.why[sensor] = why
        self.t_ms[sensor] = now_ms
        if why != c.WHY_DISABLED and self.misses[sensor] < LOST_AFTER:
            self.misses[sensor] += 1
            if self.misses[sensor] == LOST_AFTER:
                self.gone |= 1 << sensor

    def shift(self, by_ms):
        """A new epoch has begun: see clock64."""
        for sensor in range(N_SENSORS):
            self.t_ms[sensor] = shifted(self.t_ms[sensor], by_ms)

    def age_ms(self, sensor, now_ms):
        """Age of a valid reading in ms, or -1. A reading from the future counts as none."""
        if not self.valid[sensor]:
            return -1
        age = now_ms - self.t_ms[sensor]
        return age if age >= 0 else -1

    def fresh(self, sensor, now_ms, max_age_ms):
        """True when there is a valid reading not older than `max_age_ms`."""
        age = self.age_ms(sensor, now_ms)
        return 0 <= age <= max_age_ms


class Changes:
    """Makes events of what the inputs show: sensors lost and back, the emergency stop pressed and released."""

    def __init__(self, inputs, events):
        self.inputs = inputs
        self.events = events
        self.gone = 0
        self.estop = 0
        self.released_ms = 0
        self.recoveries = 0

    def step(self, now_ms, dt_ms):
        """Called by every safety tick. A contact that bounces is told once: released is what stays so for a second."""
        inputs = self.inputs
        if inputs.estop:
            self.released_ms = 0
            if not self.estop:
                self._stop(now_ms, 1)
        elif self.estop:
            self.released_ms += dt_ms
            if self.released_ms >= RELEASED_MS:
                self._stop(now_ms, 0)
        if inputs.bus_recoveries != self.recoveries:
            self.recoveries = inputs.bus_recoveries
            self.events.push(now_ms, c.EV_BUS_RECOVERED, self.recoveries, 1 if inputs.bus_free else 0)
        if inputs.gone != self.gone:
            self._sensors(now_ms)

    def due_ms(self, never_ms):
        """ms until a stop that was let go counts as released."""
        return RELEASED_MS - self.released_ms if self.estop and not self.inputs.estop else never_ms

    def _stop(self, now_ms, pressed):
        self.estop = pressed
        self.released_ms = 0
        self.events.push(now_ms, c.EV_ESTOP, pressed, 0)

    def _sensors(self, now_ms):
        inputs = self.inputs
        for sensor in range(N_SENSORS):
            bit = 1 << sensor
            if (inputs.gone ^ self.gone) & bit:
                if inputs.gone & bit:
                    self.events.push(now_ms, c.EV_SENSOR_LOST, sensor, inputs.why[sensor])
                else:
                    self.events.push(now_ms, c.EV_SENSOR_BACK, sensor, 0)
        self.gone = inputs.gone


class Button:
    """One push button: a short press switches manual override, a long one opens the window for clearing faults."""

    DEBOUNCE_MS = 50

    def __init__(self):
        self.held_ms = 0
        self.armed = True
        self.manual_ms = 0
        self.window_ms = 0

    def step(self, pressed, dt_ms):
        """Advance by `dt_ms`; SHORT: manual override switched. LONG: the clearing window opened. Else 0."""
        self.manual_ms = max(0, self.manual_ms - dt_ms)
        self.window_ms = max(0, self.window_ms - dt_ms)
        if pressed:
            return self._hold(dt_ms)
        short = self.armed and self.held_ms >= self.DEBOUNCE_MS
        self.held_ms = 0
        self.armed = True
        if not short:
            return 0
        self.manual_ms = 0 if self.manual_ms else c.MANUAL_MS
        return SHORT

    def _hold(self, dt_ms):
        self.held_ms = min(self.held_ms + dt_ms, c.BUTTON_LONG_MS)
        if not self.armed or self.held_ms < c.BUTTON_LONG_MS:
            return 0
        self.armed = False
        self.window_ms = c.BUTTON_WINDOW_MS
        return LONG
