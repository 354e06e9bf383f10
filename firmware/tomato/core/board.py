"""The board's decider: commands and inputs in, one word of outputs out. Pure: time is handed in, pins are elsewhere."""

from tomato import contract as c
from tomato.core import configuration, counters, faults, interlocks, pulses, ring, slots, states, survival
from tomato.core import inputs as readings

N_OUTPUTS = len(c.OUTPUTS)
ALL_SENSORS = (1 << len(c.SENSORS)) - 1
HALTED = (c.STATE_BOOT, c.STATE_SAFE, c.STATE_FAULT)
_EXHAUST = 1 << c.OUT_EXHAUST_FAN
_CIRCULATION = 1 << c.OUT_CIRCULATION_FAN
_PUMP = 1 << c.OUT_WATER_PUMP
# A flash write stops interrupts: these are never interrupted for it, the write waits for them instead.
_UNINTERRUPTED = _PUMP | 1 << c.OUT_CO2_SOLENOID
EVENT_SLOTS = 64
_NEVER_MS = 0x1FFFFFFF
_FLOW_KEYS = (c.CFG_PUMP_UL_PER_S, c.CFG_FLOW_PULSES_PER_L)


class Core:
    """Everything the board decides.

    `config`: dict with `fitted` (mask of sensors this board has) and `defaults` (CONFIG key -> value, e.g. the pump's
    nameplate). `store`: `read(name) -> bytes or None`, `write(name, bytes) -> bool`.
    Call `tick(now_ms)` every 50 ms and apply `outputs`, `led` and `buzzer` to the pins after every call.
    """

    def __init__(self, config, store):
        config = config or {}
        fitted = config.get("fitted", ALL_SENSORS)
        self.inputs = readings.Inputs()
        self.events = ring.EventRing(EVENT_SLOTS)
        self.finished = pulses.Finished()
        self.used = counters.Counters()
        self.slots = slots.Slots(store, "counters", counters.sound, slots.generation)
        self.configuration = configuration.Configuration(store, config.get("defaults", {}))
        self.config = self.configuration.values
        self.faults = faults.Faults(self.inputs, self.events, fitted)
        self.judge = interlocks.Judge(self.inputs, self.faults, fitted)
        self.flow = interlocks.FlowWatch(self.inputs, fitted)
        self.pulses = pulses.Pulses(self.inputs, self.used, self.configuration, fitted)
        self.survival = survival.Survival(self, self.inputs, self.configuration, self.used)
        self.button = readings.Button()
        self.state = c.STATE_BOOT
        self.outputs = 0
        self.forced = 0
        self.led = 0
        self.buzzer = 0
        self.now_ms = 0
        self.lease_ms = 0
        self.alone_ms = 0
        self.settling_ms = 0
        self.blink_ms = 0
        self.tick_gap_ms = 0
        self.tick_worst_us = 0
        self.save_due = False
        self.save_wanted = False
        self.save_asked = False
        self.since_save_ms = c.SAVE_PAUSE_MS
        self.save_failures = 0
        self.writes = 0
        self.next_due_mask = 0
        self.result = {}
        self._restore()

    # -- time -------------------------------------------------------------------------------------------------

    def tick(self, now_ms):
        """The safety tick: let time pass, look, decide. Allocates nothing."""
        self._advance(now_ms)
        self._plan_save()
        self._compose()

    def _advance(self, now_ms):
        if self.state == c.STATE_BOOT:
            self.now_ms = now_ms
            self._happen(states.BEGUN)
        dt = max(0, now_ms - self.now_ms)
        self.now_ms = now_ms
        self.tick_gap_ms = max(self.tick_gap_ms, dt)
        self._elapse(dt)
        self._end_complete()
        self._look(dt)
        self._change_state(dt)
        self._end_forbidden()
        if self.state == c.STATE_SURVIVAL and not self.button.manual_ms:
            self.survival.step(dt, now_ms)

    def _elapse(self, dt):
        self.survival.follow(self.outputs & (1 << c.OUT_LIGHT), dt)
        self.pulses.elapse(self.outputs, dt)
        self.used.elapse(dt)
        self.since_save_ms = min(c.SAVE_PAUSE_MS, self.since_save_ms + min(dt, c.SAVE_PAUSE_MS))
        self.lease_ms = max(0, self.lease_ms - dt)
        self.alone_ms = min(c.SURVIVAL_AFTER_MS, self.alone_ms + min(dt, c.SURVIVAL_AFTER_MS))
        self.blink_ms = (self.blink_ms + dt) % states.BLINK_CYCLE_MS

    def _end_complete(self):
        for output in range(N_OUTPUTS):
            if self.pulses.active & (1 << output) and self.pulses.complete(output):
                self._end(output, c.R_NONE, 0, 0)

    def _end(self, output, reason, value, bound):
        """End a pulse and note its result."""
        delivered = self.pulses.delivered(output)
        self.pulses.drop(output)
        self.finished.push(self.pulses.cmd_id[output], output, reason, delivered, value, bound)
        self.events.push(self.now_ms, c.EV_PULSE_END, output, delivered)
        if reason:
            self.events.push(self.now_ms, c.EV_PULSE_ABORTED, output, reason)

    # -- looking ----------------------------------------------------------------------------------------------

    def _look(self, dt):
        self.faults.watch(self.now_ms)
        shown = self.flow.step(self.outputs & _PUMP, self.config[c.CFG_FLOW_PULSES_PER_L], dt)
        # What the flow meter shows passes by itself: it latches, and its cause does not last.
        if shown >= 0:
            self.faults.latch(shown, self.now_ms, self.inputs.flow_count)
            if shown == c.FAULT_NO_FLOW and self.pulses.active & _PUMP:
                self._end(c.OUT_WATER_PUMP, c.R_NO_FLOW, self.pulses.on_ms[c.OUT_WATER_PUMP], c.FLOW_CHECK_AFTER_MS)
        did = self.button.step(self.inputs.button, dt)
        if did == 1:
            self.events.push(self.now_ms, c.EV_MANUAL, 1 if self.button.manual_ms else 0, 0)
        elif did == 2:
            self.events.push(self.now_ms, c.EV_BUTTON, 0, c.BUTTON_LONG_MS)

    def _change_state(self, dt):
        if self.state == c.STATE_SAFE:
            self.settling_ms += dt
            if self.settling_ms >= c.SETTLE_MS:
                self._happen(states.SETTLED)
        if self.lease_ms == 0:
            self._happen(states.LAPSED)
        if self.alone_ms >= c.SURVIVAL_AFTER_MS and self.config[c.CFG_SURVIVAL_ENABLED]:
            self._happen(states.ABANDONED)
        self._happen(states.HALT if self.faults.halting else states.CLEARED)
        self._force()

    def _happen(self, happening):
        new = states.after(self.state, happening)
        if new == self.state:
            return
        self.events.push(self.now_ms, c.EV_STATE, self.state, new)
        if happening == states.LAPSED:
            self.events.push(self.now_ms, c.EV_LEASE_LOST, self.outputs, 0)
        self.state = new

    def _force(self):
        """Over-temperature and a CO2 alarm ventilate, whatever else is asked; only the emergency stop is stronger."""
        forced = 0
        if self.faults.causes & (1 << c.FAULT_OVER_TEMP):
            forced = _EXHAUST | _CIRCULATION
        if self.faults.causes & (1 << c.FAULT_CO2_HIGH):
            forced |= _EXHAUST
        if self.faults.latched & (1 << c.FAULT_ESTOP) or self.state in (c.STATE_BOOT, c.STATE_SAFE):
            forced = 0
        if bool(forced) != bool(self.forced):
            self.events.push(self.now_ms, c.EV_FORCED, 1 if forced else 0, 0)
        self.forced = forced

    def _end_forbidden(self):
        """End every pulse that may not run on."""
        for output in range(N_OUTPUTS):
            if self.pulses.active & (1 << output):
                reason = self._may_run(output)
                if reason:
                    self._end(output, reason, self.judge.value, self.judge.bound)

    def _may_run(self, output):
        if self.button.manual_ms:
            return self.judge.say(c.R_OVERRIDE, self.button.manual_ms)
        reason = self.judge.verdict(output, self.pulses.active | self.forced, self.now_ms)
        if reason:
            return reason
        if self.state != c.STATE_LEASED and self.pulses.owner[output] == pulses.BY_HOST and not pulses.FINISH[output]:
            return self.judge.say(c.R_LEASE_LOST, self.state)
        return c.R_NONE

    # -- outputs ----------------------------------------------------------------------------------------------

    def _compose(self):
        """The outputs word: running pulses that are not waiting out a pause, and forced ventilation."""
        word = self.forced
        for output in range(N_OUTPUTS):
            bit = 1 << output
            if self.pulses.active & bit and (self.outputs & bit or self.pulses.rested(output)):
                word |= bit
        if self.save_due:
            word = 0
        self.outputs = word
        left = self.pulses.soonest_ms(word)
        self.next_due_mask = self.pulses.ending_with(word, left)
        self._signal()

    def _signal(self):
        period, on = states.BLINK[self.state]
        self.led = 1 if self.blink_ms % period < on else 0
        period, on = states.BEEP
        self.buzzer = 1 if self.faults.alarm and self.blink_ms % period < on else 0

    def pulse_end_ms(self):
        """ms from the last tick until the first running pulse must end, for the hardware timer; -1: nothing runs.

        `next_due_mask` names the outputs to switch off then. Forced ventilation has no end of its own.
        """
        return self.pulses.soonest_ms(self.outputs)

    def next_due_ms(self, now_ms):
        """The next moment at which a tick has something to do, if no input changes and no command comes before."""
        due = self.pulses.soonest_ms(self.pulses.active)
        due = _NEVER_MS if due < 0 else due
        if self.state == c.STATE_LEASED:
            due = min(due, self.lease_ms)
        elif self.state == c.STATE_READY:
            due = min(due, c.SURVIVAL_AFTER_MS - self.alone_ms or _NEVER_MS)
        elif self.state == c.STATE_SURVIVAL:
            due = min(due, survival.PACE_MS - self.survival.pace_ms)
        elif self.state != c.STATE_FAULT:
            due = min(due, c.SETTLE_MS - self.settling_ms)
        if self.outputs & _PUMP:
            due = min(due, c.FLOW_CHECK_AFTER_MS - self.flow.dry_ms)
        if self.inputs.button or self.button.manual_ms or self.button.window_ms:
            due = min(due, c.SAFETY_TICK_MS)
        if self.save_wanted:
            due = min(due, c.SAVE_RETRY_MS - self.since_save_ms)
        for output in range(N_OUTPUTS):
            if self.pulses.active & ~self.outputs & (1 << output):
                due = min(due, pulses.MIN_OFF_MS[output] - self.pulses.off_ms[output])
        return self.now_ms + max(1, due)

    def left_ms(self, output):
        """ms left of the running pulse, 0 without one."""
        return self.pulses.left_ms[output]

    def off_ms(self, output):
        """For how long an output has been off, ms."""
        return self.pulses.off_ms[output]

    # -- commands ---------------------------------------------------------------------------------------------

    def command(self, now_ms, msg):
        """Carry out or refuse one command; `msg` has F_ keys and F_TYPE. Returns a new dict with F_ keys.

        Whatever a message holds, the answer is a result with a named reason, its value and the bound it broke.
        """
        self._advance(now_ms)
        self.judge.say(c.R_NONE)
        self.result = {c.F_STATUS: c.STATUS_DONE, c.F_REASON: c.R_NONE, c.F_DELIVERED: 0}
        reason = self._dispatch(msg)
        if reason:
            self.result = {c.F_STATUS: c.STATUS_REJECTED, c.F_REASON: reason, c.F_DELIVERED: 0,
                           c.F_VALUE: self.judge.value, c.F_BOUND: self.judge.bound}
        self._compose()
        return self.result

    def next_result(self):
        """The next pulse that ended since, as a new dict with F_ keys, or None. SURVIVAL's own are not told."""
        row = {}
        while self.finished.take(row):
            if row[c.F_CMD_ID]:
                return row
        return None

    def _dispatch(self, msg):
        late = self._late(msg.get(c.F_NOT_AFTER_MS))
        if late:
            return late
        kind = msg.get(c.F_TYPE)
        if kind == c.M_PULSE:
            return self._pulse(msg)
        if kind == c.M_LEASE:
            return self._lease(msg)
        if kind == c.M_STOP:
            return self._stop(msg.get(c.F_OUTPUT))
        if kind == c.M_STOP_ALL:
            return self._stop_all()
        if kind == c.M_CLEAR_FAULT:
            return self._clear(msg.get(c.F_FAULT))
        if kind == c.M_CONFIG:
            return self._configure(msg)
        return c.R_UNKNOWN_TYPE

    def _late(self, not_after_ms):
        if not_after_ms is None:
            return c.R_NONE
        if type(not_after_ms) is not int:
            return c.R_MALFORMED
        late = self.now_ms - not_after_ms
        return self.judge.say(c.R_EXPIRED, min(late, 0x3FFFFFFF)) if late > 0 else c.R_NONE

    def _pulse(self, msg):
        output = msg.get(c.F_OUTPUT)
        amount = msg.get(c.F_AMOUNT)
        cmd_id = msg.get(c.F_CMD_ID)
        if type(output) is not int or type(amount) is not int or type(cmd_id) is not int:
            return c.R_MALFORMED
        reason = self._ask(output, amount, cmd_id, pulses.BY_HOST)
        if not reason:
            self.result[c.F_STATUS] = c.STATUS_ACCEPTED
        return reason

    def ask(self, output, amount):
        """Survival's own request, judged like the host's."""
        reason = self._ask(output, amount, 0, pulses.BY_SURVIVAL)
        if not reason and output == c.OUT_WATER_PUMP:
            self.events.push(self.now_ms, c.EV_SURVIVAL, output, amount)
        return reason

    def _ask(self, output, amount, cmd_id, owner):
        reason = (self._asked_well(output, amount) or self._state_allows(owner)
                  or self._pause_over(output)
                  or self.judge.verdict(output, self.pulses.active | self.forced, self.now_ms)
                  or self._budget_allows(output, amount))
        if reason:
            return reason
        if self.pulses.active & (1 << output):
            self._renewed(output)
        else:
            self.events.push(self.now_ms, c.EV_PULSE_START, output, amount)
        self.pulses.begin(output, amount, cmd_id, owner)
        return c.R_NONE

    def _renewed(self, output):
        self.finished.push(self.pulses.cmd_id[output], output, c.R_NONE, self.pulses.delivered(output), 0, 0)

    def _asked_well(self, output, amount):
        if not 0 <= output < N_OUTPUTS:
            return self.judge.say(c.R_UNKNOWN_OUTPUT, _small(output), N_OUTPUTS - 1)
        if not 1 <= amount <= pulses.MAX_DOSE[output]:
            return self.judge.say(c.R_BAD_AMOUNT, _small(amount), pulses.MAX_DOSE[output])
        lasts = self.pulses.duration_ms(output, amount)
        if lasts > pulses.MAX_ON_MS[output]:
            return self.judge.say(c.R_MAX_ON, lasts, pulses.MAX_ON_MS[output])
        return c.R_NONE

    def _state_allows(self, owner):
        if self.state in HALTED:
            return self.judge.say(c.R_ESTOP if self.inputs.estop else c.R_STATE, self.state)
        if self.button.manual_ms:
            return self.judge.say(c.R_OVERRIDE, self.button.manual_ms)
        if owner == pulses.BY_HOST and self.state != c.STATE_LEASED:
            return self.judge.say(c.R_NO_LEASE, self.state)
        return c.R_NONE

    def _pause_over(self, output):
        bit = 1 << output
        if self.pulses.active & bit:
            if pulses.RENEWABLE[output]:
                return c.R_NONE
            return self.judge.say(c.R_BUSY, self.pulses.left_ms[output])
        # An output that forced ventilation keeps on has no pause to wait out.
        if self.outputs & bit or self.pulses.rested(output):
            return c.R_NONE
        return self.judge.say(c.R_MIN_PAUSE, self.pulses.off_ms[output], pulses.MIN_OFF_MS[output])

    def _budget_allows(self, output, amount):
        dose = self.pulses.reserve(output, amount)
        if pulses.over_hour(self.used, output, dose):
            return self.judge.say(c.R_HOUR_BUDGET, (self.used.hour.total[output] + dose) // 1000,
                                  counters.HOUR_BUDGET[output] // 1000)
        if pulses.over_day(self.used, output, dose):
            return self.judge.say(c.R_DAY_BUDGET, (self.used.day.total[output] + dose) // 1000,
                                  counters.DAY_BUDGET[output] // 1000)
        if counters.BOUND_DAY[output] and self.used.prepaid[output] < dose:
            self.save_asked = True
            return self.judge.say(c.R_SAVING, self.used.prepaid[output] // 1000, dose // 1000)
        return c.R_NONE

    def _lease(self, msg):
        if self.state in (c.STATE_BOOT, c.STATE_SAFE):
            return self.judge.say(c.R_STATE, self.state)
        wanted = msg.get(c.F_LEASE_MS, c.LEASE_MS)
        if type(wanted) is not int or wanted < 0:
            return c.R_MALFORMED
        self.lease_ms = min(wanted, c.LEASE_MS)
        self.alone_ms = 0
        if self.lease_ms:
            self._happen(states.LEASE)
        self.result[c.F_STATUS] = c.STATUS_ACCEPTED
        return c.R_NONE

    def _stop(self, output):
        if type(output) is not int or not 0 <= output < N_OUTPUTS:
            return c.R_UNKNOWN_OUTPUT
        if self.pulses.active & (1 << output):
            self._end(output, c.R_STOPPED, 0, 0)
        return c.R_NONE

    def _stop_all(self):
        for output in range(N_OUTPUTS):
            self._stop(output)
        return c.R_NONE

    def _clear(self, fault):
        reason = self.faults.clear(fault, self.now_ms, self.button.window_ms > 0)
        if not reason:
                self._change_state(0)
        return reason

    def _configure(self, msg):
        key = msg.get(c.F_CONFIG_KEY)
        value = msg.get(c.F_CONFIG_VALUE)
        if type(key) is not int or not 0 <= key < len(self.config):
            return c.R_BAD_KEY
        if value is not None:
            reason = self._set(key, value)
            if reason:
                return reason
        self.result[c.F_CONFIG_KEY] = key
        self.result[c.F_CONFIG_VALUE] = self.config[key]
        return c.R_NONE

    def _set(self, key, value):
        if key in _FLOW_KEYS and self.pulses.active & _PUMP:
            return self.judge.say(c.R_OUTPUT_ON, c.OUT_WATER_PUMP)
        reason = self.configuration.allowed(key, value)
        if reason:
            return self.judge.say(reason, key, self.configuration.bound)
        self.configuration.set(key, value)
        self.events.push(self.now_ms, c.EV_CONFIG, key, value)
        return c.R_NONE

    # -- flash ------------------------------------------------------------------------------------------------

    def _restore(self):
        """After a reset: budgets, latched faults and configuration as flash knows them, on the safe side."""
        record, other_lost = self.slots.load()
        if record is None:
            self.used.spend_all()
            self.faults.latch(c.FAULT_COUNTERS_LOST, 0, 0)
            self.events.push(0, c.EV_COUNTERS, 2, 0)
        else:
            self.used.restore(record, other_lost)
            self.faults.restore(self.used.latched)
            self.survival.cycle_ms = self.used.light_cycle_s * 1000
            self.events.push(0, c.EV_COUNTERS, 1 if self.used.generation else 0, 1 if other_lost else 0)
        if not self.configuration.load():
            self.faults.latch(c.FAULT_CONFIG_LOST, 0, 0)

    def _plan_save(self):
        """Set `save_due` when a write is wanted: then every output is off for this tick, and `save` may be called."""
        if self.save_due:
            # Nobody called `save`: give the outputs back and try again later.
            self.save_due = False
            self.since_save_ms = 0
        self.save_wanted = self.state > c.STATE_SAFE and self._wants_save()
        self.save_due = (self.save_wanted and self.since_save_ms >= c.SAVE_RETRY_MS
                         and not self.pulses.active & _UNINTERRUPTED)

    def _wants_save(self):
        if self.save_asked or self.configuration.dirty or self.used.latched != self.faults.latched:
            return True
        for output in range(N_OUTPUTS):
            if self.used.low(output, self.pulses.reserve(output, pulses.MAX_DOSE[output])):
                return True
        return self.outputs == 0 and self.since_save_ms >= c.SAVE_PAUSE_MS and self.used.half_spent()

    def save(self, now_ms):
        """Write what is due to flash; only when `save_due` and after the pins went off. False when it failed."""
        if not self.save_due or self.outputs:
            return False
        self.save_due = False
        self.save_asked = False
        self.since_save_ms = 0
        self.used.latched = self.faults.latched
        self.used.light_cycle_s = self.survival.cycle_ms // 1000
        good = self.slots.save(self.used.record())
        if good:
            self.used.written()
        if self.configuration.dirty:
            good = self.configuration.save() and good
        self.writes += 1
        if not good:
            self.save_failures += 1
            self.events.push(now_ms, c.EV_SAVE_FAILED, self.save_failures, 0)
        return good

    # -- telling ----------------------------------------------------------------------------------------------

    @property
    def config_crc(self):
        """CRC-32 of the configuration values in force."""
        return self.configuration.crc

    def health(self, now_ms):
        """The board's own condition, as a new dict with F_ keys. Budgets in s or ml."""
        return {
            c.F_T_MS: now_ms,
            c.F_STATE: self.state,
            c.F_OUTPUTS: self.outputs,
            c.F_FAULTS: self.faults.latched,
            c.F_LEASE_MS: self.lease_ms,
            c.F_TICK_WORST_US: min(self.tick_worst_us, 0x3FFFFFFF),
            c.F_HOUR_USED: [max(0, used) // 1000 for used in self.used.hour.total],
            c.F_DAY_USED: [max(0, used) // 1000 for used in self.used.day.total],
            c.F_WRITES_TODAY: min(self.writes, 65_535),
        }


def _small(value):
    """Bring a number into the range of an answer's field."""
    return max(-0x3FFFFFFF, min(0x3FFFFFFF, value))
