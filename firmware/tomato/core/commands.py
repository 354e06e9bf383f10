"""What each command of the host does: one function per message, reason out, answer fields into a dict."""

from tomato import contract as c
from tomato.core import pulses, requests, states

_PUMP = 1 << c.OUT_WATER_PUMP
_FLOW_KEYS = (c.CFG_PUMP_UL_PER_S, c.CFG_FLOW_PULSES_PER_L)


def carry_out(core, msg, answer):
    """Do what `msg` asks for; R_NONE or why not. `answer` gets what else there is to tell."""
    reason = late(core, msg.get(c.F_NOT_AFTER_MS))
    if reason and msg.get(c.F_TYPE) not in STOPPING:
        return reason
    handler = HANDLERS.get(msg.get(c.F_TYPE))
    return handler(core, msg, answer) if handler else c.R_UNKNOWN_TYPE


def late(core, not_after_ms):
    """A command that comes after its time is refused; one without a time is not."""
    if not_after_ms is None:
        return c.R_NONE
    if type(not_after_ms) is not int:
        return c.R_MALFORMED
    by_ms = core.now_ms - not_after_ms
    return core.judge.say(c.R_EXPIRED, requests.small(by_ms)) if by_ms > 0 else c.R_NONE


def pulse(core, msg, answer):
    """Begin or prolong one bounded pulse."""
    output = msg.get(c.F_OUTPUT)
    amount = msg.get(c.F_AMOUNT)
    cmd_id = msg.get(c.F_CMD_ID)
    if type(output) is not int or type(amount) is not int or type(cmd_id) is not int:
        return c.R_MALFORMED
    answer[c.F_STATUS] = c.STATUS_ACCEPTED
    return core.begin(output, amount, cmd_id, pulses.BY_HOST)


def lease(core, msg, answer):
    """Take or renew the right to command. While a fault halts the board it only shows that a host is there."""
    if core.state in (c.STATE_BOOT, c.STATE_SAFE):
        return core.judge.say(c.R_STATE, core.state)
    wanted = msg.get(c.F_LEASE_MS, c.LEASE_MS)
    if type(wanted) is not int or wanted < 0:
        return c.R_MALFORMED
    core.lease_ms = min(wanted, c.LEASE_MS)
    core.alone_ms = 0
    if core.lease_ms:
        core.happen(states.LEASE)
    answer[c.F_STATUS] = c.STATUS_ACCEPTED
    return c.R_NONE


def stop(core, msg, answer):
    """End the pulse of one output; nothing to end is no error."""
    output = msg.get(c.F_OUTPUT)
    if type(output) is not int or not 0 <= output < pulses.N_OUTPUTS:
        return c.R_UNKNOWN_OUTPUT
    core.end(output, c.R_STOPPED)
    return c.R_NONE


def stop_all(core, msg, answer):
    """End every pulse."""
    for output in range(pulses.N_OUTPUTS):
        core.end(output, c.R_STOPPED)
    return c.R_NONE


def clear_fault(core, msg, answer):
    """Clear one latched fault by its number; for a pump that rests after a dry dose this ends the rest."""
    fault = msg.get(c.F_FAULT)
    reason = core.faults.clear(fault, core.now_ms, core.button.window_ms > 0)
    if reason == c.R_NOT_LATCHED and fault == c.FAULT_NO_FLOW and core.flow.dry_runs:
        reason = c.R_NONE
    if not reason:
        if fault == c.FAULT_NO_FLOW:
            core.flow.flowed()
        core.change_state(0)
    return reason


def configure(core, msg, answer):
    """Set, or without a value read, one configuration entry."""
    key = msg.get(c.F_CONFIG_KEY)
    value = msg.get(c.F_CONFIG_VALUE)
    if type(key) is not int or not 0 <= key < len(core.config):
        return c.R_BAD_KEY
    if value is not None:
        reason = set_entry(core, key, value)
        if reason:
            return reason
    answer[c.F_CONFIG_KEY] = key
    answer[c.F_CONFIG_VALUE] = core.config[key]
    return c.R_NONE


def set_entry(core, key, value):
    """Set one entry, within its bounds; a dose that runs keeps the calibration it began with.

    Only who holds the lease sets anything, or who stands at the board and holds its button. What takes protection
    away wants the button in any case: nobody far away, and no fault of a host, weakens a board.
    """
    if key in _FLOW_KEYS and core.pulses.active & _PUMP:
        return core.judge.say(c.R_OUTPUT_ON, c.OUT_WATER_PUMP)
    reason = core.configuration.allowed(key, value)
    if reason:
        return core.judge.say(reason, key, core.configuration.bound)
    at_the_board = core.button.window_ms > 0
    if core.state != c.STATE_LEASED and not at_the_board:
        return core.judge.say(c.R_NO_LEASE, core.state)
    weaker = core.configuration.weak(key, value) & ~core.configuration.weak()
    if weaker and not at_the_board:
        return core.judge.say(c.R_NEEDS_BUTTON, key, weaker)
    core.configuration.set(key, value)
    core.events.push(core.now_ms, c.EV_CONFIG, key, value)
    return c.R_NONE


# Stopping is never too late.
STOPPING = (c.M_STOP, c.M_STOP_ALL)
HANDLERS = {
    c.M_PULSE: pulse,
    c.M_LEASE: lease,
    c.M_STOP: stop,
    c.M_STOP_ALL: stop_all,
    c.M_CLEAR_FAULT: clear_fault,
    c.M_CONFIG: configure,
}
