"""When and how counters and configuration go to flash: rarely, and never while an output is on.

A flash write stops interrupts, so the hardware timer could not end a pulse. Where no quiet moment comes by itself,
lamp and fans are taken off for one; a dose of water or CO2 is never interrupted, the write waits for it instead.
"""

from tomato import contract as c
from tomato.core import counters, pulses, slots

UNINTERRUPTED = 1 << c.OUT_WATER_PUMP | 1 << c.OUT_CO2_SOLENOID
# An hour and one cell: what the last record holds of the hour has rolled over by then.
_ROLLED_MS = counters.HOUR_MS + 300_000


class Saver:
    """Decides when a write is due, and carries it out when asked to."""

    def __init__(self, core, store):
        self.core = core
        self.slots = slots.Slots(store, "counters", counters.sound, slots.generation)
        self.wanted = False
        self.due = False
        self.asked = False
        self.since_ms = c.SAVE_PAUSE_MS
        self.written_ms = 0
        self.failures = 0
        self.writes = 0
        self.day_ms = 0

    def restore(self):
        """After a reset: budgets, latched faults and the light's day as flash knows them, on the safe side."""
        core = self.core
        record, other_lost = self.slots.load()
        if record is None:
            core.used.spend_all()
            core.faults.latch(c.FAULT_COUNTERS_LOST, 0, 0)
            core.events.push(0, c.EV_COUNTERS, 2, 0)
            return
        core.used.restore(record, other_lost)
        core.faults.restore(core.used.latched)
        core.flow.restore(core.used.dry_runs)
        core.survival.cycle_ms = core.used.light_cycle_s * 1000
        core.events.push(0, c.EV_COUNTERS, 1 if core.used.generation else 0, 1 if other_lost else 0)
        if core.used.restarts >= c.RESTARTS_ALARM:
            core.faults.latch(c.FAULT_RESTARTS, 0, core.used.restarts)

    def elapse(self, dt_ms):
        """Let time pass since the last write; `writes` counts those of the running day."""
        self.since_ms = min(c.SAVE_PAUSE_MS, self.since_ms + min(dt_ms, c.SAVE_PAUSE_MS))
        self.written_ms = min(_ROLLED_MS, self.written_ms + min(dt_ms, _ROLLED_MS))
        self.day_ms += dt_ms
        if self.day_ms >= counters.DAY_MS:
            self.day_ms %= counters.DAY_MS
            self.writes = 0

    def plan(self):
        """Set `due` when a write shall happen now: the core then takes every output off for this tick."""
        if self.due:
            # Nobody wrote: give the outputs back and try again later.
            self.due = False
            self.since_ms = 0
        core = self.core
        self.wanted = core.state > c.STATE_SAFE and self._wants()
        self.due = self.wanted and self.since_ms >= c.SAVE_RETRY_MS and not core.pulses.active & UNINTERRUPTED

    def _wants(self):
        core = self.core
        if self.asked or core.configuration.dirty or core.used.latched != core.faults.latched:
            return True
        if core.used.dry_runs != core.flow.dry_runs:
            # Or each restart would give a clogged pump its tries anew.
            return True
        for output in range(pulses.N_OUTPUTS):
            if core.used.low(output, pulses.LARGEST[output]):
                return True
        if core.used.restarts and self.written_ms >= _ROLLED_MS:
            # While restarts repeat, the next one must not count an hour as spent that has long rolled over.
            return True
        return core.outputs == 0 and self.since_ms >= c.SAVE_PAUSE_MS and core.used.half_spent()

    def save(self, now_ms):
        """Write what is due; only while `due` and with every output off. False when it was not, or failed."""
        core = self.core
        if not self.due or core.outputs:
            return False
        self.due = False
        self.asked = False
        self.since_ms = self.written_ms = 0
        self.writes += 1
        good = self._write(core)
        if not good:
            self.failures += 1
            core.events.push(now_ms, c.EV_SAVE_FAILED, self.failures, 0)
        return good

    def _write(self, core):
        core.used.latched = core.faults.latched
        core.used.dry_runs = core.flow.dry_runs
        core.used.light_cycle_s = core.survival.cycle_ms // 1000
        good = self.slots.save(core.used.record())
        if good:
            core.used.written()
        if core.configuration.dirty:
            good = core.configuration.save() and good
        return good
