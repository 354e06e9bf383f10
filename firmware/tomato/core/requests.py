"""May this request begin now? One tiny function per rule; the first that refuses names the reason.

Each returns R_NONE or a reason, and leaves value and bound with the judge.
"""

from tomato import contract as c
from tomato.core import counters, pulses

NUMBERS = len(c.OUTPUTS)
HALTED = (c.STATE_BOOT, c.STATE_SAFE, c.STATE_FAULT)


def refusal(core, output, amount, owner):
    """Why `output` may not begin a pulse of `amount` (ms or ml) for `owner`, or R_NONE."""
    return (
        well_formed(core, output, amount)
        or state_allows(core, owner)
        or pause_over(core, output)
        or core.judge.verdict(output, core.pulses.active | core.forced, core.now_ms)
        or water_may_come(core, output)
        or budget_allows(core, output, amount)
    )


def well_formed(core, output, amount):
    """A known output, and an amount between 1 and its largest dose, in time as well."""
    if not 0 <= output < NUMBERS:
        return core.judge.say(c.R_UNKNOWN_OUTPUT, small(output), NUMBERS - 1)
    if not 1 <= amount <= pulses.MAX_DOSE[output]:
        return core.judge.say(c.R_BAD_AMOUNT, small(amount), pulses.MAX_DOSE[output])
    lasts = core.pulses.duration_ms(output, amount)
    if lasts > pulses.MAX_ON_MS[output]:
        return core.judge.say(c.R_MAX_ON, lasts, pulses.MAX_ON_MS[output])
    return c.R_NONE


def state_allows(core, owner):
    """The host needs its lease; a hand at the board is stronger than either."""
    if core.inputs.estop:
        return core.judge.say(c.R_ESTOP, core.state)
    if core.state in HALTED:
        return core.judge.say(c.R_STATE, core.state)
    if core.button.manual_ms:
        return core.judge.say(c.R_OVERRIDE, core.button.manual_ms)
    if owner == pulses.BY_HOST and core.state != c.STATE_LEASED:
        return core.judge.say(c.R_NO_LEASE, core.state)
    return c.R_NONE


def pause_over(core, output):
    """A running pulse may be prolonged where the table says so; anything else waits out the minimum pause."""
    bit = 1 << output
    if core.pulses.active & bit:
        if pulses.RENEWABLE[output]:
            return c.R_NONE
        return core.judge.say(c.R_BUSY, core.pulses.left_ms[output])
    # An output that forced ventilation keeps on has no pause to wait out.
    if core.forced & bit or core.pulses.rested(output):
        return c.R_NONE
    return core.judge.say(c.R_MIN_PAUSE, core.pulses.off_ms[output], pulses.MIN_OFF_MS[output])


def water_may_come(core, output):
    """After a dose without water the pump rests before it may try again."""
    if output == c.OUT_WATER_PUMP and core.flow.wait_ms:
        return core.judge.say(c.R_NO_FLOW, core.flow.wait_ms, core.flow.dry_runs)
    return c.R_NONE


def budget_allows(core, output, amount):
    """The whole dose must fit into the rolling hour, the rolling day, and what flash has prepaid."""
    used, dose = core.used, pulses.thousandths(output, amount)
    if counters.BOUND_HOUR[output] and dose > used.hour_left(output):
        recent = used.held(output) if used.up_ms < counters.HOUR_MS else 0
        reason = c.R_BUDGET_UNKNOWN if dose <= used.hour_left(output) + recent else c.R_HOUR_BUDGET
        return core.judge.say(reason, (used.hour.total[output] + dose) // 1000, counters.HOUR_BUDGET[output] // 1000)
    if counters.BOUND_DAY[output] and dose > used.day_left(output):
        reason = c.R_BUDGET_UNKNOWN if dose <= used.day_left(output) + used.held(output) else c.R_DAY_BUDGET
        return core.judge.say(reason, (used.day.total[output] + dose) // 1000, counters.DAY_BUDGET[output] // 1000)
    if counters.BOUND_DAY[output] and dose > used.prepaid[output]:
        core.saver.asked = True
        used.asked[output] = dose
        return core.judge.say(c.R_SAVING, used.prepaid[output] // 1000, dose // 1000)
    return c.R_NONE


def small(value):
    """Bring a number into the range of an answer's field."""
    return max(-0x3FFFFFFF, min(0x3FFFFFFF, value))
