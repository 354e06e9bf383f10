"""A core on the bench: settable time, a flash in memory, good readings. Runs on CPython and on the MicroPython VM."""

import binascii
import struct

from tomato import contract as c
from tomato.core import slots
from tomato.core.board import Core

GOOD = {
    c.S_AIR_TEMP_C: 2_400,
    c.S_RH_PCT: 6_000,
    c.S_CO2_PPM: 600,
    c.S_LEAF_TEMP_C: 2_300,
    c.S_LIGHT_LUX: 20_000,
    c.S_SOIL_TEMP_C: 2_000,
    c.S_SOIL_P1_PCT: 4_000,
    c.S_SOIL_P2_PCT: 4_000,
    c.S_SOIL_P1_RAW: 40_000,
    c.S_SOIL_P2_RAW: 40_000,
    c.S_FLOW_ML: 0,
    c.S_RESERVOIR_OK: 1,
    c.S_LEAK: 0,
    c.S_DOOR_OPEN: 0,
}
STATES = ("boot", "safe", "ready", "leased", "survival", "fault")
DOSE = (60_000, 60_000, 60_000, 60_000, 60_000, 100, 10_000)
"""A modest request for each output, by wire id."""


N_CONFIG = len(c.CONFIG)


def config_record(*pairs, items=N_CONFIG, generation=3):
    """A whole stored configuration of the defaults, with key, value, key, value... in their place."""
    values = [row[3] for row in c.CONFIG][:items]
    for at in range(0, len(pairs), 2):
        values[pairs[at]] = pairs[at + 1]
    body = struct.pack("<HBBI", 0x4743, 1, items, generation) + b"".join(struct.pack("<i", v) for v in values)
    return body + struct.pack("<I", binascii.crc32(body))


class MemoryStore:
    """Flash in memory. `fail` refuses writes, `tear` keeps only the first bytes of the next one."""

    def __init__(self, provisioned=True):
        self.records = {}
        self.written = []
        self.fail = False
        self.tear = -1
        self.outputs_at_write = []
        self.core = None
        if provisioned:
            slots.provision(self)
            self.written = []

    def read(self, name):
        return self.records.get(name)

    def write(self, name, record):
        self.written.append(name)
        if self.core is not None:
            self.outputs_at_write.append(self.core.outputs)
        if self.fail:
            return False
        record = bytes(record)
        if self.tear >= 0:
            self.records[name] = record[: self.tear]
            self.tear = -1
            return False
        self.records[name] = record
        return True


class Rig:
    """One core, its flash and the world's readings (`readings`: sensor id -> value, None: silent)."""

    def __init__(self, store=None, config=None, t_ms=10_000, flow_per_s=9):
        self.store = MemoryStore() if store is None else store
        self.core = Core(config, self.store)
        self.store.core = self.core
        self.t = t_ms
        self.readings = dict(GOOD)
        self.flow_per_s = flow_per_s
        self.flow_part = 0
        self.next_id = 0
        self.hold_lease = False
        self.ended = []
        self.saving = True

    def look(self):
        """Bring the readings to the core's inputs as the hal does."""
        for sensor in self.readings:
            value = self.readings[sensor]
            if value is None:
                self.core.inputs.lost(sensor, c.WHY_NO_ANSWER, self.t)
            else:
                self.core.inputs.put(sensor, value, self.t)

    def step(self, ms=50):
        """Let `ms` pass in one go, then tick as the app does."""
        self.t += ms
        if self.core.outputs & (1 << c.OUT_WATER_PUMP):
            # The hardware timer ends the flow to the ms, however late the tick comes.
            self.flow_part += self.flow_per_s * min(ms, self.core.left_ms(c.OUT_WATER_PUMP))
            self.core.inputs.flow_count += self.flow_part // 1000
            self.flow_part %= 1000
        self.look()
        self.core.tick(self.t)
        if self.core.save_due and self.saving:
            self.core.save(self.t)
        while True:
            row = self.core.next_result()
            if row is None:
                break
            self.ended.append(row)

    def run(self, ms, step=50):
        """Ticks of `step` ms for `ms`; renews the lease when `hold_lease`."""
        for _ in range(ms // step):
            if self.hold_lease:
                self.lease()
            self.step(step)
        return self

    def send(self, kind, **fields):
        """One command; the answer as a dict."""
        msg = {c.F_TYPE: kind}
        for name in fields:
            msg[getattr(c, "F_" + name.upper())] = fields[name]
        self.look()
        return self.core.command(self.t, msg)

    def lease(self):
        return self.send(c.M_LEASE)

    def pulse(self, output, amount=None):
        """Ask for a pulse under a new command id; R_NONE when accepted, else the reason. `self.answer` has the rest."""
        self.next_id += 1
        self.answer = self.send(
            c.M_PULSE, cmd_id=self.next_id, output=output, amount=DOSE[output] if amount is None else amount
        )
        return self.answer[c.F_REASON]

    def on(self, output):
        return bool(self.core.outputs & (1 << output))

    def running(self, output):
        """True while the output has a pulse, even one that waits out a flash write."""
        return bool(self.core.pulses.active & (1 << output))

    def leased(self):
        """Past settling and every pause, with counters written, and under a lease that `run` renews."""
        self.run(70_000, 1_000)
        self.lease()
        self.step()
        self.hold_lease = True
        return self

    def last(self):
        """The newest ended pulse: (output, status, reason, delivered)."""
        row = self.ended[-1]
        return row[c.F_OUTPUT], row[c.F_STATUS], row[c.F_REASON], row[c.F_DELIVERED]

    def events(self, code):
        """(a, b) of every retained event of one kind."""
        ring = self.core.events
        found = []
        for i in range(ring.count):
            row = ring.at(i)
            if row[2] == code:
                found.append((row[3], row[4]))
        return found

    def fault(self, fault):
        return bool(self.core.faults.latched & (1 << fault))

    def press(self, ms):
        """Hold the button for `ms`, then let go."""
        self.core.inputs.button = 1
        self.run(ms)
        self.core.inputs.button = 0
        self.step()


def in_state(name, store=None):
    """A rig brought to a state by real happenings, with every pause over."""
    rig = Rig(store)
    if name == "boot":
        rig.look()
        return rig
    if name == "safe":
        rig.step()
        return rig
    if name == "leased":
        return rig.leased()
    rig.run(70_000, 1_000)
    if name == "ready":
        return rig
    if name == "survival":
        rig.core.configuration.set(c.CFG_SURVIVAL_LIGHT_ON_S, 0)
        return rig.run(600_000, 1_000)
    rig.lease()
    rig.core.inputs.estop = 1
    rig.run(c.ESTOP_LATCH_MS + 50)
    rig.core.inputs.estop = 0
    rig.run(1_050)
    return rig
