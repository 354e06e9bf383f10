"""Every output runs only by bounded pulses: what runs, for how long still, and what was delivered.

All times here count down or up in elapsed ms, never against a clock: a clock that jumps cannot prolong a pulse.
"""

from array import array

from tomato import contract as c

N_OUTPUTS = len(c.OUTPUTS)
MAX_ON_MS = tuple(o[c.O_MAX_ON_MS] for o in c.OUTPUTS)
MIN_OFF_MS = tuple(o[c.O_MIN_OFF_MS] for o in c.OUTPUTS)
MAX_DOSE = tuple(o[c.O_MAX_DOSE] for o in c.OUTPUTS)
IN_ML = tuple(bool(o[c.O_IN_ML]) for o in c.OUTPUTS)
FINISH = tuple(bool(o[c.O_FINISH]) for o in c.OUTPUTS)
RENEWABLE = tuple(bool(o[c.O_RENEWABLE]) for o in c.OUTPUTS)
BY_HOST = 0
BY_SURVIVAL = 1
_LONG_AGO_MS = 0x1FFFFFFF
_FINISHED = 16


class Finished:
    """Results of pulses that ended, until the session takes them. The oldest are overwritten when nobody does."""

    def __init__(self):
        self.cmd_id = [0] * _FINISHED
        self.output = bytearray(_FINISHED)
        self.status = bytearray(_FINISHED)
        self.reason = bytearray(_FINISHED)
        self.delivered = array("i", [0] * _FINISHED)
        self.value = array("i", [0] * _FINISHED)
        self.bound = array("i", [0] * _FINISHED)
        self.written = 0
        self.taken = 0

    def push(self, cmd_id, output, reason, delivered, value, bound):
        """Note one ended pulse: DONE without a reason, else ABORTED."""
        at = self.written % _FINISHED
        self.cmd_id[at] = cmd_id
        self.output[at] = output
        self.status[at] = c.STATUS_ABORTED if reason else c.STATUS_DONE
        self.reason[at] = reason
        self.delivered[at] = delivered
        self.value[at] = value
        self.bound[at] = bound
        self.written += 1
        self.taken = max(self.taken, self.written - _FINISHED)

    def take(self, into):
        """Fill the dict `into` with the oldest result not yet taken; False when there is none."""
        if self.taken == self.written:
            return False
        at = self.taken % _FINISHED
        into[c.F_CMD_ID] = self.cmd_id[at]
        into[c.F_OUTPUT] = self.output[at]
        into[c.F_STATUS] = self.status[at]
        into[c.F_REASON] = self.reason[at]
        into[c.F_DELIVERED] = self.delivered[at]
        into[c.F_VALUE] = self.value[at]
        into[c.F_BOUND] = self.bound[at]
        self.taken += 1
        return True


class Pulses:
    """The running pulse of each output. `active` is the mask of outputs that have one."""

    def __init__(self, inputs, used, config, fitted):
        self.inputs = inputs
        self.used = used
        self.config = config
        self.flow_fitted = bool(fitted & (1 << c.S_FLOW_ML))
        self.active = 0
        self.cmd_id = [0] * N_OUTPUTS
        self.owner = bytearray(N_OUTPUTS)
        self.left_ms = array("i", [0] * N_OUTPUTS)
        self.on_ms = array("i", [0] * N_OUTPUTS)
        self.amount = array("i", [0] * N_OUTPUTS)
        self.charged = array("i", [0] * N_OUTPUTS)
        # A reset may have come at any moment of a pulse: the pause begins anew.
        self.off_ms = array("i", [0] * N_OUTPUTS)
        self.flow_base = 0

    def duration_ms(self, output, amount):
        """How long a dose takes: its ms, or its ml at the calibrated rate (rounded up)."""
        if not IN_ML[output]:
            return amount
        rate = self.config.values[c.CFG_PUMP_UL_PER_S]
        return (amount * 1_000_000 + rate - 1) // rate

    def begin(self, output, amount, cmd_id, owner):
        """Start a pulse that was found allowed; a running renewable one is prolonged instead."""
        self.active |= 1 << output
        self.cmd_id[output] = cmd_id
        self.owner[output] = owner
        self.left_ms[output] = self.duration_ms(output, amount)
        self.amount[output] = amount
        self.on_ms[output] = 0
        self.charged[output] = 0
        if IN_ML[output]:
            self.flow_base = self.inputs.flow_count

    def elapse(self, on_mask, dt_ms):
        """Let `dt_ms` pass while the outputs of `on_mask` were on: count down, and charge what was used."""
        off_ms, left_ms = self.off_ms, self.left_ms
        pause_ms = min(dt_ms, _LONG_AGO_MS)
        for output in range(N_OUTPUTS):
            if on_mask >> output & 1:
                self._ran(output, dt_ms)
            else:
                off_ms[output] = min(_LONG_AGO_MS, off_ms[output] + pause_ms)
            if self.active >> output & 1:
                left_ms[output] = max(0, left_ms[output] - dt_ms)

    def switched_on(self, mask):
        """The outputs of `mask` have come on: what they wait out later counts from their end."""
        for output in range(N_OUTPUTS):
            if mask >> output & 1:
                self.off_ms[output] = 0

    def _ran(self, output, dt_ms):
        ran = dt_ms
        if self.active & (1 << output):
            # The hardware timer ends a pulse to the ms, even when this tick comes late.
            ran = min(dt_ms, self.left_ms[output])
        self.off_ms[output] = min(_LONG_AGO_MS, dt_ms - ran)
        if self.active & (1 << output):
            self.on_ms[output] += ran
        if IN_ML[output]:
            self._charge(output, max(self.timed_ul(output), self.flowed_ml() * 1000) - self.charged[output])
        else:
            self._charge(output, min(ran, MAX_ON_MS[output]))

    def _charge(self, output, thousandths):
        if thousandths > 0:
            self.charged[output] += thousandths
            self.used.use(output, thousandths)

    def timed_ul(self, output):
        """Water by time on and calibration, in ul."""
        # In steps of 100 ul/s, rounded up, so that the product stays a small int on a 32-bit board.
        return self.on_ms[output] * ((self.config.values[c.CFG_PUMP_UL_PER_S] + 99) // 100) // 10

    def flowed_ml(self):
        """Water by the flow meter since the pulse began, in ml; 0 without a meter."""
        per_l = self.config.values[c.CFG_FLOW_PULSES_PER_L]
        if not self.flow_fitted or not per_l:
            return 0
        return (self.inputs.flow_count - self.flow_base) * 1000 // per_l

    def delivered(self, output):
        """What the pulse gave until now: ms on, or ml (measured where a flow meter is fitted)."""
        if not IN_ML[output]:
            return self.on_ms[output]
        if self.flow_fitted and self.config.values[c.CFG_FLOW_PULSES_PER_L]:
            return self.flowed_ml()
        return self.timed_ul(output) // 1000

    def complete(self, output):
        """True when the running pulse has reached its end by time, or by flow."""
        if self.left_ms[output] <= 0:
            return True
        return IN_ML[output] and self.flowed_ml() >= self.amount[output]

    def drop(self, output):
        """Forget the pulse: the output goes off with the next outputs word."""
        self.active &= ~(1 << output)
        self.left_ms[output] = 0

    def rested(self, output):
        """True when the minimum pause is over."""
        return self.off_ms[output] >= MIN_OFF_MS[output]

    def soonest_ms(self, on_mask):
        """ms until the first running pulse must end, or -1."""
        soonest, left_ms, mask = -1, self.left_ms, on_mask & self.active
        for output in range(N_OUTPUTS):
            if mask >> output & 1 and (soonest < 0 or left_ms[output] < soonest):
                soonest = left_ms[output]
        return soonest

    def resume_ms(self, waiting, never_ms):
        """ms until the first of the pulses in the mask `waiting` has waited out its pause."""
        soonest = never_ms
        if not waiting:
            return soonest
        for output in range(N_OUTPUTS):
            if waiting & (1 << output):
                soonest = min(soonest, MIN_OFF_MS[output] - self.off_ms[output])
        return soonest

    def ending_with(self, on_mask, left_ms):
        """The mask of running pulses that end no later than in `left_ms`."""
        mask, running = 0, on_mask & self.active
        for output in range(N_OUTPUTS):
            if running >> output & 1 and self.left_ms[output] <= left_ms:
                mask |= 1 << output
        return mask


def thousandths(output, amount):
    """A dose in thousandths of its budget's unit: ms of a second, ul of a millilitre."""
    return amount * 1000 if IN_ML[output] else amount


# The largest dose of each output, in thousandths.
LARGEST = tuple(thousandths(output, MAX_DOSE[output]) for output in range(N_OUTPUTS))
