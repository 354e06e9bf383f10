"""What an output needs before and while it runs: one tiny function per condition, and the flow watch.

A condition returns R_NONE or the reason it fails; `value` and `bound` of the judge then say how far.
"""

from tomato import contract as c
from tomato.core import faults

N_OUTPUTS = len(c.OUTPUTS)
RH_LIMIT = c.RH_CUTOFF_PCT * c.SENSORS[c.S_RH_PCT][1]
SOIL_LIMIT = c.SOIL_TEMP_CUTOFF_C * c.SENSORS[c.S_SOIL_TEMP_C][1]
OVER_TEMP = c.OVER_TEMP_ON_C * faults.TEMP_SCALE


class Judge:
    """Holds what the conditions look at, and the last verdict's value and bound."""

    def __init__(self, inputs, latches, fitted):
        self.inputs = inputs
        self.faults = latches
        self.fitted = fitted
        self.value = 0
        self.bound = 0
        self.running = False
        self.open_ms = 0
        self.float_open = False
        self.needs = tuple(tuple(CONDITIONS[name] for name in row[c.O_NEEDS]) for row in c.OUTPUTS)

    def say(self, reason, value=0, bound=0):
        """Keep value and bound for the answer, hand the reason on."""
        self.value = value
        self.bound = bound
        return reason

    def watch(self, dt_ms):
        """How long the float has been open without a break. Called by every safety tick."""
        is_open = self.inputs.valid[c.S_RESERVOIR_OK] and not self.inputs.value[c.S_RESERVOIR_OK]
        self.open_ms = min(c.FLOAT_OPEN_MS, self.open_ms + dt_ms) if is_open and self.float_open else 0
        self.float_open = is_open

    def verdict(self, output, running, now_ms, begun=False):
        """R_NONE when `output` may be on now; `running` is the mask of all outputs that are or must be on.

        `begun`: it is on already, so that a float that only bounces does not end it.
        """
        self.running = begun
        for condition in self.needs[output]:
            reason = condition(self, now_ms)
            if reason:
                return reason
        fault = self.faults.blocker(output)
        if fault >= 0:
            return self.say(c.R_FAULT_LATCHED, fault)
        partners = EXCLUDES[output] & running
        if partners:
            return self.say(c.R_GROUP_EXCLUDED, first_bit(partners))
        return c.R_NONE

    def stale(self, sensor, reason, now_ms, max_age_ms):
        """`reason` when the sensor has no fresh value, with its age (-1: none) and the oldest allowed."""
        age = self.inputs.age_ms(sensor, now_ms)
        if 0 <= age <= max_age_ms:
            return c.R_NONE
        return self.say(reason, age if age < 0x3FFFFFFF else 0x3FFFFFFF, max_age_ms)

    def not_below(self, sensor, limit, reason):
        """`reason` when the sensor's value has reached the limit."""
        value = self.inputs.value[sensor]
        return self.say(reason, value, limit) if value >= limit else c.R_NONE


def not_estop(judge, now_ms):
    return judge.say(c.R_ESTOP, 1, 0) if judge.inputs.estop else c.R_NONE


def not_over_temp(judge, now_ms):
    if judge.faults.causes & (1 << c.FAULT_OVER_TEMP):
        return judge.say(c.R_OVER_TEMP, judge.inputs.value[c.S_AIR_TEMP_C], OVER_TEMP)
    return c.R_NONE


def no_leak(judge, now_ms):
    if not judge.fitted & (1 << c.S_LEAK):
        return c.R_NONE
    silent = judge.stale(c.S_LEAK, c.R_LEAK_STALE, now_ms, c.SWITCH_MAX_AGE_MS)
    return silent or judge.not_below(c.S_LEAK, 1, c.R_LEAK)


def reservoir_ok(judge, now_ms):
    if not judge.fitted & (1 << c.S_RESERVOIR_OK):
        return c.R_NONE
    silent = judge.stale(c.S_RESERVOIR_OK, c.R_RESERVOIR_STALE, now_ms, c.SWITCH_MAX_AGE_MS)
    if silent or judge.inputs.value[c.S_RESERVOIR_OK]:
        return silent
    if judge.running and judge.open_ms < c.FLOAT_OPEN_MS:
        # The pump's own suction and the waves it makes move a float at the edge: a dose ends when it stays open.
        return c.R_NONE
    return judge.say(c.R_RESERVOIR_EMPTY, 0, 1)


def rh_fresh(judge, now_ms):
    return judge.stale(c.S_RH_PCT, c.R_RH_STALE, now_ms, c.SENSOR_MAX_AGE_MS)


def rh_below_limit(judge, now_ms):
    return judge.not_below(c.S_RH_PCT, RH_LIMIT, c.R_RH_HIGH)


def soil_temp_fresh(judge, now_ms):
    return judge.stale(c.S_SOIL_TEMP_C, c.R_SOIL_TEMP_STALE, now_ms, c.SENSOR_MAX_AGE_MS)


def soil_temp_below_limit(judge, now_ms):
    return judge.not_below(c.S_SOIL_TEMP_C, SOIL_LIMIT, c.R_SOIL_TEMP_HIGH)


def co2_fresh(judge, now_ms):
    return judge.stale(c.S_CO2_PPM, c.R_CO2_STALE, now_ms, c.SENSOR_MAX_AGE_MS)


def co2_below_limit(judge, now_ms):
    return judge.not_below(c.S_CO2_PPM, c.CO2_CUTOFF_PPM, c.R_CO2_HIGH)


CONDITIONS = {
    "not_estop": not_estop,
    "not_over_temp": not_over_temp,
    "no_leak": no_leak,
    "reservoir_ok": reservoir_ok,
    "rh_fresh": rh_fresh,
    "rh_below_limit": rh_below_limit,
    "soil_temp_fresh": soil_temp_fresh,
    "soil_temp_below_limit": soil_temp_below_limit,
    "co2_fresh": co2_fresh,
    "co2_below_limit": co2_below_limit,
}


def first_bit(mask):
    """The lowest bit that is set."""
    bit = 0
    while not mask & (1 << bit):
        bit += 1
    return bit


def _excluded_by(output):
    group = c.OUTPUTS[output][c.O_GROUP]
    mask = 0
    for other in range(N_OUTPUTS):
        if other != output and c.OUTPUTS[other][c.O_GROUP] == group:
            mask |= 1 << other
    return mask


EXCLUDES = tuple(_excluded_by(i) for i in range(N_OUTPUTS))


# Air in the hose after a refill is no reason to call somebody: the pump rests, tries, rests longer, tries once more.
NO_FLOW_PAUSES_MS = (c.NO_FLOW_PAUSE_MS, c.NO_FLOW_LONG_PAUSE_MS)


_PER_L_OF_40_ML = 25
_LONGEST_STEP_MS = 10_000  # keeps the product below within 31 bits


class FlowWatch:
    """Compares the flow meter with the pump: water must come when it runs, and must not when it rests.

    `dry_runs` counts doses in a row without water, `wait_ms` is what is left of the pump's rest after the last one.
    """

    def __init__(self, inputs, fitted):
        self.inputs = inputs
        self.fitted = bool(fitted & (1 << c.S_FLOW_ML))
        self.seen = 0
        self.dry_ms = 0
        self.rest_ms = 0
        self.base = 0
        self.window_ms = 0
        self.dry_runs = 0
        self.wait_ms = 0

    def ran_dry(self):
        """A dose gave no water: True when that was one too many, else the pump rests for a while."""
        if self.dry_runs == len(NO_FLOW_PAUSES_MS):
            return True
        self.wait_ms = NO_FLOW_PAUSES_MS[self.dry_runs]
        self.dry_runs += 1
        return False

    def restore(self, dry_runs):
        """After a restart: the tries so far count, and the rest after the last one begins anew."""
        self.dry_runs = min(dry_runs, len(NO_FLOW_PAUSES_MS))
        self.wait_ms = NO_FLOW_PAUSES_MS[self.dry_runs - 1] if self.dry_runs else 0

    def flowed(self):
        """A dose was given to its end, or a person has looked: all is forgiven."""
        self.dry_runs = 0
        self.wait_ms = 0

    def step(self, pump_on, pulses_per_l, dt_ms):
        """The fault this moment shows (a FAULT_ number) or -1."""
        self.wait_ms = max(0, self.wait_ms - dt_ms)
        if not self.fitted or not pulses_per_l:
            return -1
        count = self.inputs.flow_count
        new = count - self.seen
        self.seen = count
        if pump_on:
            self._rest_again(count)
            self.dry_ms = 0 if new else self.dry_ms + dt_ms
            return c.FAULT_NO_FLOW if self.dry_ms >= c.FLOW_CHECK_AFTER_MS else -1
        self.dry_ms = 0
        return self._resting(count, new, pulses_per_l, dt_ms)

    def _resting(self, count, new, pulses_per_l, dt_ms):
        if self.rest_ms < c.FLOW_OFF_GRACE_MS:
            # The hose runs empty for a moment after every dose.
            self.rest_ms += dt_ms
            self.base = count
            return -1
        self.window_ms += dt_ms
        # A burst that no hose could deliver is interference: of it counts what 40 ml/s would have given.
        self.base += max(0, new - 1 - pulses_per_l // _PER_L_OF_40_ML * min(dt_ms, _LONGEST_STEP_MS) // 1000)
        if (count - self.base) * 1000 > c.FLOW_OFF_ML * pulses_per_l:
            self._rest_again(count)
            return c.FAULT_STUCK_VALVE
        if self.window_ms >= c.FLOW_OFF_WINDOW_MS:
            self.window_ms = 0
            self.base = count
        return -1

    def _rest_again(self, count):
        self.rest_ms = 0
        self.window_ms = 0
        self.base = count
