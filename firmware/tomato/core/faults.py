"""Faults that latch: found by looking at the inputs, kept with time and cause, cleared by name.

What a look at the inputs shows acts in the same tick: the interlocks ask `causes` or the inputs themselves. It latches
only when it lasts, because a latch waits for a person and a single spoilt sample of a long wire is no leak. What comes
and goes adds up: only LATCH_FORGET_MS without the cause begin the count anew.
"""

from array import array

from tomato import contract as c
from tomato.core.clock64 import shifted

N_FAULTS = len(c.FAULTS)
ALL_OUTPUTS = (1 << len(c.OUTPUTS)) - 1
NEEDS_BUTTON = tuple(bool(f[1]) for f in c.FAULTS)
BLOCKS = tuple(f[2] for f in c.FAULTS)
ALARM = tuple(bool(f[3]) for f in c.FAULTS)
TEMP_SCALE = c.SENSORS[c.S_AIR_TEMP_C][1]
SOIL_SCALE = c.SENSORS[c.S_SOIL_TEMP_C][1]
_LATCH_AFTER = {
    c.FAULT_ESTOP: c.ESTOP_LATCH_MS,
    c.FAULT_OVERRUN: c.PIN_LATCH_MS,
    c.FAULT_LEAK: c.LEAK_LATCH_MS,
    c.FAULT_OVER_TEMP: c.LEVEL_LATCH_MS,
    c.FAULT_CO2_HIGH: c.LEVEL_LATCH_MS,
    c.FAULT_SOIL_HOT: c.LEVEL_LATCH_MS,
}
# How long the cause of each fault must last, in ms; 0: it latches when it is found.
LATCH_AFTER_MS = tuple(_LATCH_AFTER.get(fault, 0) for fault in range(N_FAULTS))
WATCHED = tuple(sorted(_LATCH_AFTER))


class Faults:
    """`latched` and `causes` are bit masks by fault id; `blocked` is the mask of outputs that must stay off."""

    def __init__(self, inputs, events, fitted):
        self.inputs = inputs
        self.events = events
        self.fitted = fitted
        self.latched = 0
        self.causes = 0
        self.blocked = 0
        self.alarm = False
        self.calm = False
        self.aged = False
        self.dt_ms = 0
        self.t_ms = [0] * N_FAULTS
        self.cause = [0] * N_FAULTS
        self.lasts_ms = array("i", [0] * N_FAULTS)
        self.gone_ms = array("i", [0] * N_FAULTS)

    def shift(self, by_ms):
        """A new epoch has begun: see clock64."""
        for fault in range(N_FAULTS):
            self.t_ms[fault] = shifted(self.t_ms[fault], by_ms)

    def halting(self):
        """True while a latched fault stops everything."""
        return self.blocked == ALL_OUTPUTS

    def latch(self, fault, now_ms, cause):
        """Latch with its time and what caused it (a reading, a count, a mask). Once latched the first cause stays."""
        if self.latched & (1 << fault):
            return
        self.t_ms[fault] = now_ms
        self.cause[fault] = cause
        self.restore(self.latched | (1 << fault))
        self.events.push(now_ms, c.EV_FAULT, fault, cause)

    def restore(self, latched):
        """Set the mask of latched faults, as after a reset."""
        self.latched = latched & ((1 << N_FAULTS) - 1)
        self.blocked = 0
        self.alarm = False
        for fault in range(N_FAULTS):
            if self.latched & (1 << fault):
                self.blocked |= BLOCKS[fault]
                self.alarm = self.alarm or ALARM[fault]

    def blocker(self, output):
        """The first latched fault that blocks an output, or -1."""
        if not self.blocked & (1 << output):
            return -1
        fault = 0  # `blocked` is made of the latched faults: there is one
        while not (self.latched & (1 << fault) and BLOCKS[fault] & (1 << output)):
            fault += 1
        return fault

    def clear(self, fault, now_ms, button):
        """R_NONE when cleared, else why not."""
        if type(fault) is not int or not 0 <= fault < N_FAULTS:
            return c.R_UNKNOWN_FAULT
        if not self.latched & (1 << fault):
            return c.R_NOT_LATCHED
        if self.causes & (1 << fault):
            return c.R_CAUSE_LASTS
        if NEEDS_BUTTON[fault] and not button:
            return c.R_NEEDS_BUTTON
        self.restore(self.latched & ~(1 << fault))
        self.events.push(now_ms, c.EV_FAULT_CLEARED, fault, 1 if button else 0)
        return c.R_NONE

    def watch(self, now_ms, dt_ms):
        """Look at the inputs; latch what lasts. Called by every safety tick, `dt_ms` after the last one.

        While no cause is known or remembered and no reading was too old to count, the same inputs as at the last look
        show none either.
        """
        if self.calm and not (self.inputs.news or self.inputs.estop or self.inputs.pin_fault):
            return
        self.inputs.news = False
        self.aged = False
        self.dt_ms = dt_ms
        self._cause(c.FAULT_ESTOP, self.inputs.estop, now_ms, 1)
        self._cause(c.FAULT_OVERRUN, self.inputs.pin_fault, now_ms, self.inputs.pin_fault)
        self._watch_leak(now_ms)
        self._watch_level(
            c.FAULT_OVER_TEMP, c.S_AIR_TEMP_C, c.OVER_TEMP_ON_C * TEMP_SCALE, c.OVER_TEMP_OFF_C * TEMP_SCALE, now_ms
        )
        self._watch_level(c.FAULT_CO2_HIGH, c.S_CO2_PPM, c.CO2_ALARM_PPM, c.CO2_CUTOFF_PPM, now_ms)
        self._watch_level(
            c.FAULT_SOIL_HOT, c.S_SOIL_TEMP_C, c.SOIL_HOT_C * SOIL_SCALE, c.SOIL_TEMP_CUTOFF_C * SOIL_SCALE, now_ms
        )
        self.calm = not (self.causes or self.aged or self._remembers())

    def _remembers(self):
        """True while the time that a cause has lasted would count on if it came back."""
        for fault in WATCHED:
            if self.lasts_ms[fault] and self.gone_ms[fault] < c.LATCH_FORGET_MS:
                return True
        return False

    def due_ms(self, never_ms):
        """ms until the first cause that is seen now has lasted long enough to latch."""
        pending = self.causes & ~self.latched
        due = never_ms
        if not pending:
            return due
        for fault in range(N_FAULTS):
            if pending & (1 << fault):
                due = min(due, LATCH_AFTER_MS[fault] - self.lasts_ms[fault])
        return due

    def _cause(self, fault, present, now_ms, detail):
        bit = 1 << fault
        if not present:
            self.causes &= ~bit
            self.gone_ms[fault] = min(c.LATCH_FORGET_MS, self.gone_ms[fault] + min(self.dt_ms, c.LATCH_FORGET_MS))
            return
        if self.causes & bit:
            # Seen at the last look as well: the time between the two counts.
            self.lasts_ms[fault] += min(self.dt_ms, LATCH_AFTER_MS[fault])
        elif self.gone_ms[fault] >= c.LATCH_FORGET_MS:
            self.lasts_ms[fault] = 0
        self.causes |= bit
        self.gone_ms[fault] = 0
        if self.lasts_ms[fault] >= LATCH_AFTER_MS[fault]:
            self.lasts_ms[fault] = LATCH_AFTER_MS[fault]
            self.latch(fault, now_ms, detail)

    def _watch_leak(self, now_ms):
        if not self.fitted & (1 << c.S_LEAK):
            return
        if self._counts(c.S_LEAK, now_ms, c.SWITCH_MAX_AGE_MS):
            self._cause(c.FAULT_LEAK, self.inputs.value[c.S_LEAK], now_ms, 1)
        # A silent leak sensor keeps what was known: the interlock refuses water while it is silent.

    def _counts(self, sensor, now_ms, max_age_ms):
        """True when a reading is fresh; one that is not makes this no look to compare the next one with."""
        age_ms = now_ms - self.inputs.t_ms[sensor]
        if not self.inputs.valid[sensor]:
            return False
        if 0 <= age_ms <= max_age_ms:
            return True
        self.aged = True
        return False

    def _watch_level(self, fault, sensor, on_at, off_below, now_ms):
        """A level with hysteresis. A silent sensor keeps what was known, on the safe side, but makes no latch of it."""
        if not self._counts(sensor, now_ms, c.SENSOR_MAX_AGE_MS):
            return
        value = self.inputs.value[sensor]
        known = self.causes & (1 << fault)
        self._cause(fault, value >= on_at or (known and value >= off_below), now_ms, value)
