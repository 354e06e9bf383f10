"""The board's decider: commands and inputs in, one word of outputs out. Pure: time is handed in, pins are elsewhere."""

from tomato import contract as c
from tomato.core import (
    commands,
    configuration,
    counters,
    faults,
    interlocks,
    pulses,
    requests,
    ring,
    saving,
    states,
    survival,
)
from tomato.core import inputs as readings
from tomato.core.clock64 import EPOCH_MS

N_OUTPUTS = len(c.OUTPUTS)
ALL_SENSORS = (1 << len(c.SENSORS)) - 1
EVENT_SLOTS = 64
SETTLING = (c.STATE_BOOT, c.STATE_SAFE)
_EXHAUST = 1 << c.OUT_EXHAUST_FAN
_CIRCULATION = 1 << c.OUT_CIRCULATION_FAN
_PUMP = 1 << c.OUT_WATER_PUMP
_NEVER_MS = 0x1FFFFFFF


class Core:
    """Everything the board decides.

    `config`: dict with `fitted` (mask of sensors this board has) and `defaults` (CONFIG key -> value, e.g. the pump's
    nameplate), or None. `store`: `read(name) -> bytes or None`, `write(name, bytes) -> bool`.
    Call `tick(now_ms)` every 50 ms and bring `outputs`, `led` and `buzzer` to the pins after every call.
    """

    def __init__(self, config, store):
        config = config or {}
        fitted = config.get("fitted", ALL_SENSORS)
        self.inputs = readings.Inputs()
        self.button = readings.Button()
        self.events = ring.EventRing(EVENT_SLOTS)
        self.changes = readings.Changes(self.inputs, self.events)
        self.finished = pulses.Finished()
        self.used = counters.Counters()
        self.configuration = configuration.Configuration(store, config.get("defaults", {}), fitted)
        self.config = self.configuration.values
        self.faults = faults.Faults(self.inputs, self.events, fitted)
        self.judge = interlocks.Judge(self.inputs, self.faults, fitted)
        self.flow = interlocks.FlowWatch(self.inputs, fitted)
        self.pulses = pulses.Pulses(self.inputs, self.used, self.configuration, fitted)
        self.survival = survival.Survival(self, self.inputs, self.configuration, self.used)
        self.saver = saving.Saver(self, store)
        self.state = c.STATE_BOOT
        self.outputs = self.forced = 0
        self.led = self.buzzer = 0
        self.seen = False
        self.now_ms = self.lease_ms = self.alone_ms = self.settling_ms = self.blink_ms = 0
        self.tick_gap_ms = self.tick_worst_us = self.epochs = 0
        self.saver.restore()
        if not self.configuration.load():
            self.faults.latch(c.FAULT_CONFIG_LOST, 0, 0)
        for key, value in self.configuration.dropped:
            self.faults.latch(c.FAULT_CONFIG_BOUNDS, 0, key)
            self.events.push(0, c.EV_CONFIG_DROPPED, key, requests.small(value))

    # -- time

    def shift(self, by_ms):
        """A new epoch has begun (see clock64): moments kept here count from it."""
        self.epochs += 1
        self.now_ms -= by_ms
        self.inputs.shift(by_ms)
        self.faults.shift(by_ms)
        self.events.epoch = self.epochs

    def board_ms(self, moment_ms):
        """A moment of this epoch as milliseconds since boot, for the host. May be larger than a small integer."""
        return self.epochs * EPOCH_MS + moment_ms

    def own_ms(self, board_ms):
        """A moment the host has named, in this epoch; one far away is as good as the farthest that fits."""
        farthest_ms = max(self.now_ms, 0x3FFFFFFF)
        return max(-EPOCH_MS, min(farthest_ms, board_ms - self.epochs * EPOCH_MS))

    def tick(self, now_ms):
        """The safety tick: let time pass, look, decide. Allocates nothing."""
        self._meet(now_ms)
        self.saver.plan()
        self._compose()

    def _meet(self, now_ms):
        """Look, unless a look at this very moment has seen all there is: a renewed lease is followed by the tick."""
        inputs = self.inputs
        if not self.seen or now_ms != self.now_ms or inputs.touched or inputs.flow_count != self.flow.seen:
            self._advance(now_ms)
        elif inputs.estop or inputs.button or inputs.pin_fault:
            self._advance(now_ms)

    def _advance(self, now_ms):
        if self.state == c.STATE_BOOT:
            self.now_ms = now_ms
            self.happen(states.BEGUN)
        dt = max(0, now_ms - self.now_ms)
        self.now_ms = now_ms
        pump_was_on = self.outputs & _PUMP
        if dt or pump_was_on:
            # Twice at one moment, for a command and for the tick, there is only water to count.
            self.tick_gap_ms = max(self.tick_gap_ms, dt)
            self._elapse(dt)
        self._end_complete()
        self._look(dt, pump_was_on)
        self.change_state(dt)
        self._end_forbidden()
        if self.state == c.STATE_SURVIVAL and not self.button.manual_ms:
            self.survival.step(dt, now_ms)
        self.inputs.touched = False
        # A line that is active now may be let go within the same millisecond.
        self.seen = not (self.inputs.estop or self.inputs.button or self.inputs.pin_fault)

    def _elapse(self, dt):
        self.survival.follow(self.outputs & (1 << c.OUT_LIGHT), dt)
        self.pulses.elapse(self.outputs, dt)
        self.used.elapse(dt)
        self.saver.elapse(dt)
        self.lease_ms = max(0, self.lease_ms - dt)
        self.alone_ms = min(c.SURVIVAL_AFTER_MS, self.alone_ms + min(dt, c.SURVIVAL_AFTER_MS))
        self.blink_ms = (self.blink_ms + dt) % states.BLINK_CYCLE_MS

    def _end_complete(self):
        active = self.pulses.active
        for output in range(N_OUTPUTS):
            if active >> output & 1 and self.pulses.complete(output):
                if output == c.OUT_WATER_PUMP and self.pulses.flowed_ml() * 2 >= self.pulses.amount[output]:
                    # Most of it has come: no trickle past a clog.
                    self.flow.flowed()
                self.end(output, c.R_NONE)

    def end(self, output, reason, value=0, bound=0):
        """End the pulse of an output, if there is one, and note its result."""
        if not self.pulses.active & (1 << output):
            return
        delivered = self.pulses.delivered(output)
        self.pulses.drop(output)
        # Off from this very moment: a request that comes within the same call must find the pause, not the pulse.
        self.outputs &= ~(1 << output)
        self.finished.push(self.pulses.cmd_id[output], output, reason, delivered, value, bound)
        self.events.push(self.now_ms, c.EV_PULSE_END, output, delivered)
        if reason:
            self.events.push(self.now_ms, c.EV_PULSE_ABORTED, output, reason)

    # -- looking

    def _look(self, dt, pump_was_on):
        self.changes.step(self.now_ms, dt)
        self.judge.watch(dt)
        self.faults.watch(self.now_ms, dt)
        shown = self.flow.step(pump_was_on, self.config[c.CFG_FLOW_PULSES_PER_L], dt)
        if shown == c.FAULT_STUCK_VALVE or (shown == c.FAULT_NO_FLOW and self.flow.ran_dry()):
            # What the flow meter shows passes by itself: it latches, and its cause does not last.
            self.faults.latch(shown, self.now_ms, self.inputs.flow_count)
        if shown == c.FAULT_NO_FLOW:
            self.end(c.OUT_WATER_PUMP, c.R_NO_FLOW, self.pulses.on_ms[c.OUT_WATER_PUMP], c.FLOW_CHECK_AFTER_MS)
        did = self.button.step(self.inputs.button, dt)
        if did == readings.SHORT:
            self.events.push(self.now_ms, c.EV_MANUAL, 1 if self.button.manual_ms else 0, 0)
        elif did == readings.LONG:
            self.events.push(self.now_ms, c.EV_BUTTON, 0, c.BUTTON_LONG_MS)

    def change_state(self, dt):
        """Let happen what time and faults bring."""
        if self.state == c.STATE_SAFE:
            self.settling_ms += dt
            if self.settling_ms >= c.SETTLE_MS:
                self.happen(states.SETTLED)
        if self.lease_ms == 0:
            self.happen(states.LAPSED)
        if self.alone_ms >= c.SURVIVAL_AFTER_MS and self.config[c.CFG_SURVIVAL_ENABLED]:
            self.happen(states.ABANDONED)
        self.happen(states.HALT if self.faults.halting() else states.CLEARED)
        self._force()

    def happen(self, trigger):
        """Follow the transition table."""
        new = states.after(self.state, trigger)
        if new == self.state:
            return
        self.events.push(self.now_ms, c.EV_STATE, self.state, new)
        if trigger == states.LAPSED:
            self.events.push(self.now_ms, c.EV_LEASE_LOST, self.outputs, 0)
        self.state = new

    def _force(self):
        """Over-temperature and a CO2 alarm ventilate, whatever else is asked; only the emergency stop is stronger."""
        if not self.faults.causes and not self.forced:
            return
        forced = 0
        if self.faults.causes & (1 << c.FAULT_OVER_TEMP):
            forced = _EXHAUST | _CIRCULATION
        if self.faults.causes & (1 << c.FAULT_CO2_HIGH):
            forced |= _EXHAUST
        if self.inputs.estop or self.faults.latched & (1 << c.FAULT_ESTOP) or self.state in SETTLING:
            forced = 0
        if bool(forced) != bool(self.forced):
            self.events.push(self.now_ms, c.EV_FORCED, 1 if forced else 0, 0)
        self.forced = forced

    def _end_forbidden(self):
        """End every pulse that may not run on."""
        active = self.pulses.active
        for output in range(N_OUTPUTS):
            if active >> output & 1:
                reason = self._objection(output)
                if reason:
                    self.end(output, reason, self.judge.value, self.judge.bound)

    def _objection(self, output):
        """Why a running pulse may not run on, or R_NONE."""
        if self.button.manual_ms:
            return self.judge.say(c.R_OVERRIDE, self.button.manual_ms)
        reason = self.judge.verdict(output, self.pulses.active | self.forced, self.now_ms, True)
        if reason:
            return reason
        if pulses.FINISH[output] or self.state == c.STATE_LEASED:
            return c.R_NONE
        if self.state == c.STATE_SURVIVAL and self.pulses.owner[output] == pulses.BY_SURVIVAL:
            return c.R_NONE
        return self.judge.say(c.R_LEASE_LOST, self.state)

    # -- outputs

    def _compose(self):
        """The outputs word: running pulses that are not waiting out a pause, and forced ventilation."""
        pulses = self.pulses
        word = 0 if self.saver.due else self._wanted(pulses.active)
        fresh = word & ~self.outputs
        if fresh:
            pulses.switched_on(fresh)
        self.outputs = word
        self._signal()

    def _wanted(self, active):
        word = self.forced | active & self.outputs
        waiting = active & ~self.outputs
        if waiting:
            for output in range(N_OUTPUTS):
                if waiting >> output & 1 and self.pulses.rested(output):
                    word |= 1 << output
        return word

    def _signal(self):
        period, on = states.BLINK[self.state]
        self.led = 1 if self.blink_ms % period < on else 0
        period, on = states.BEEP
        self.buzzer = 1 if self.faults.alarm and self.blink_ms % period < on else 0

    def pulse_end_ms(self):
        """ms from the last tick until the first running pulse must end, for the hardware timer; -1: nothing to end.

        `ending_in` names the outputs to switch off then. A forced output has no end but its cause: the end of a
        pulse that runs beside the force is none of the timer's business.
        """
        return self.pulses.soonest_ms(self.outputs & ~self.forced)

    def ending_in(self, left_ms):
        """Mask of the outputs to switch off in `left_ms`, as `pulse_end_ms` gave it."""
        return 0 if left_ms < 0 else self.pulses.ending_with(self.outputs & ~self.forced, left_ms)

    @property
    def shown(self):
        """Mask of the outputs that are on, as HEALTH and SAMPLE tell it: what the pins do, not what was decided."""
        return self.outputs & ~self.inputs.cut

    def next_due_ms(self, now_ms):
        """The next moment at which a tick has something to do, if no input changes and no command comes before."""
        due = self.pulses.soonest_ms(self.pulses.active)
        due = min(_NEVER_MS if due < 0 else due, self._state_due_ms())
        due = min(due, self.faults.due_ms(_NEVER_MS), self.changes.due_ms(_NEVER_MS))
        if self.outputs & _PUMP:
            due = min(due, c.FLOW_CHECK_AFTER_MS - self.flow.dry_ms)
            if self.judge.float_open:
                due = min(due, c.FLOAT_OPEN_MS - self.judge.open_ms)
        if self.inputs.button or self.button.manual_ms or self.button.window_ms:
            due = min(due, c.SAFETY_TICK_MS)
        if self.saver.wanted and not self.pulses.active & saving.UNINTERRUPTED:
            # A write that waits for a dose comes with the dose's end, which is due anyway.
            due = min(due, c.SAVE_RETRY_MS - self.saver.since_ms)
        due = min(due, self.pulses.resume_ms(self.pulses.active & ~self.outputs, _NEVER_MS))
        return self.now_ms + max(1, due)

    def _state_due_ms(self):
        """ms until time alone changes the state, or survival looks again."""
        if self.state == c.STATE_LEASED:
            return self.lease_ms
        if self.state == c.STATE_READY and self.alone_ms < c.SURVIVAL_AFTER_MS:
            return c.SURVIVAL_AFTER_MS - self.alone_ms
        if self.state == c.STATE_SURVIVAL:
            return survival.PACE_MS - self.survival.pace_ms
        if self.state == c.STATE_SAFE:
            return c.SETTLE_MS - self.settling_ms
        return _NEVER_MS

    def left_ms(self, output):
        """ms left of the running pulse, 0 without one."""
        return self.pulses.left_ms[output]

    def off_ms(self, output):
        """For how long an output has been off, ms."""
        return self.pulses.off_ms[output]

    # -- asking

    def command(self, now_ms, msg):
        """Carry out or refuse one command; `msg` has F_ keys and F_TYPE. Returns a new dict with F_ keys.

        Whatever a message holds, the answer is a result with a named reason, its value and the bound it broke.
        """
        self._meet(now_ms)
        self.judge.say(c.R_NONE)
        self.seen = self.seen and self.state == c.STATE_LEASED and msg.get(c.F_TYPE) == c.M_LEASE
        answer = {c.F_STATUS: c.STATUS_DONE, c.F_REASON: c.R_NONE, c.F_DELIVERED: 0}
        reason = commands.carry_out(self, msg, answer)
        if reason:
            answer = {
                c.F_STATUS: c.STATUS_REJECTED,
                c.F_REASON: reason,
                c.F_DELIVERED: 0,
                c.F_VALUE: self.judge.value,
                c.F_BOUND: self.judge.bound,
            }
        self.seen = self.seen and self.lease_ms > 0
        self._compose()
        return answer

    def ask(self, output, amount):
        """Survival's own request, judged like the host's."""
        reason = self.begin(output, amount, 0, pulses.BY_SURVIVAL)
        if not reason and pulses.IN_ML[output]:
            self.events.push(self.now_ms, c.EV_SURVIVAL, output, amount)
        return reason

    def begin(self, output, amount, cmd_id, owner):
        """Begin or prolong a pulse if every rule allows it; R_NONE or why not."""
        reason = requests.refusal(self, output, amount, owner)
        if reason:
            return reason
        if self.pulses.active & (1 << output):
            # The pulse it prolongs is done with what it gave so far.
            self.finished.push(self.pulses.cmd_id[output], output, c.R_NONE, self.pulses.delivered(output), 0, 0)
        else:
            self.events.push(self.now_ms, c.EV_PULSE_START, output, amount)
        self.pulses.begin(output, amount, cmd_id, owner)
        return c.R_NONE

    # -- telling

    def next_result(self):
        """The next pulse that ended since, as a new dict with F_ keys, or None. SURVIVAL's own are not told."""
        row = {}
        while self.finished.take(row):
            if row[c.F_CMD_ID]:
                return row
        return None

    @property
    def save_due(self):
        """True when `save` should be called, once the pins are off."""
        return self.saver.due

    def save(self, now_ms):
        """Write to flash what is due. Slow; stops interrupts; only with every output off."""
        return self.saver.save(now_ms)

    @property
    def config_crc(self):
        """CRC-32 of the configuration values in force."""
        return self.configuration.crc

    def health(self, now_ms):
        """The board's own condition, as a new dict with F_ keys. Budgets in s or ml."""
        return {
            c.F_T_MS: self.board_ms(now_ms),
            c.F_STATE: self.state,
            c.F_OUTPUTS: self.shown,
            c.F_FAULTS: self.faults.latched,
            c.F_LEASE_MS: self.lease_ms,
            c.F_TICK_WORST_US: min(self.tick_worst_us, 0x3FFFFFFF),
            c.F_HOUR_USED: [used // 1000 for used in self.used.hour.total],
            c.F_DAY_USED: [used // 1000 for used in self.used.day.total],
            c.F_WRITES_TODAY: min(self.saver.writes, 65_535),
            c.F_WEAKENED: self.configuration.weak(),
        }
