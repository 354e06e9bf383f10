"""A board in a hostile world - any message, any reading, resets, torn flash, jumping clocks - watched by a ledger."""

from __future__ import annotations

from typing import Any

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.clock64 import Clock64

from tests.firmware_core.bench_pins import BenchPins
from tests.firmware_core.ledger import CO2, EXHAUST, MAX_ON, PUMP, Ledger
from tests.firmware_core.rig import GOOD, MemoryStore

WRAP = 1 << 30
RATE_UL_PER_MS = 20
LOUD = 1 << c.FAULT_ESTOP | 1 << c.FAULT_OVERRUN


class BenchWorld:
    """Real time goes on through resets; the board's own clock starts near its wrap at every boot."""

    def __init__(self) -> None:
        self.now = 0
        self.ledger = Ledger()
        self.store = MemoryStore()
        self.readings: dict[int, int | None] = dict(GOOD)
        self.flow_share = 1.0
        self.flow_part = 0.0
        self.next_id = 0
        self.float_open = False
        self.float_open_ms = 0
        self.boot(60_000)

    def boot(self, ticks_before_wrap: int) -> None:
        """Power-on: every output off, everything in RAM gone."""
        self.ticks = (WRAP - ticks_before_wrap) % WRAP
        self.clock = Clock64(self.ticks)
        self.core = Core(None, self.store)
        self.store.core = self.core
        self.board_ms = self.clock.update(self.ticks)
        self.core.tick(self.board_ms)
        self.pins = BenchPins()
        self.pins.act(self.board_ms, self.core)
        for output in range(7):
            self.ledger.on_since[output] = None

    def reset(self, dark_ms: int, ticks_before_wrap: int, tear: int = -1) -> None:
        """Power lost for a while, perhaps in the middle of a flash write."""
        if tear >= 0:
            self.core.saver.asked = True
            self.store.tear = tear
            self.step(50)
            self.store.tear = -1
        self.now += dark_ms
        self.boot(ticks_before_wrap)

    def look(self) -> None:
        """Readings into the inputs; a reading of None is silence."""
        for sensor, value in self.readings.items():
            if value is None:
                self.core.inputs.lost(sensor, c.WHY_NO_ANSWER, self.board_ms)
            else:
                self.core.inputs.put(sensor, value, self.board_ms)

    def step(self, dt: int) -> None:
        """Let `dt` ms pass with the pins as they are, the hardware timer's cut included, then the safety tick."""
        core = self.core
        before = self.pins.levels
        if before >> PUMP & 1:
            ran = min(dt, core.left_ms(PUMP))
            self.flow_part += ran * RATE_UL_PER_MS * self.flow_share * 450 / 1_000_000
            core.inputs.flow_count += int(self.flow_part)
            self.flow_part %= 1.0
        left = [core.left_ms(output) for output in range(7)]
        _, cut = self.pins.pass_time(dt)
        assert not cut & core.forced, "the timer ends nothing that is forced"
        self.ledger_span(before, dt, left)
        self.now += dt
        self.ticks = (self.ticks + dt) % WRAP
        self.board_ms = self.clock.update(self.ticks)
        self.look()
        is_open = self.readings[c.S_RESERVOIR_OK] == 0
        self.float_open_ms = self.float_open_ms + dt if is_open and self.float_open else 0
        self.float_open = is_open
        core.tick(self.board_ms)
        self.survival_s_own()
        self.act()
        self.check()

    def act(self) -> None:
        """The core's decision to the pins by the real hal, which also writes flash when that is due."""
        saving = self.core.save_due
        self.pins.act(self.board_ms, self.core)
        assert self.pins.levels == self.core.outputs, "the pins do what was decided"
        assert saving or not self.core.forced & ~self.pins.levels, "forced outputs have no end but their cause"

    def survival_s_own(self) -> None:
        """Pulses of the stored programme: bounded by the table alone."""
        for output in range(7):
            if self.core.pulses.active >> output & 1 and self.core.pulses.owner[output]:
                self.ledger.may_run_until[output] = self.now + MAX_ON[output]

    def ledger_span(self, word: int, dt: int, left: list[int]) -> None:
        """Account the time since the last tick by the pins.

        Each ended with its pulse: the first by the hardware timer, the others by the ticks that a jump leaves out.
        """
        forced = self.core.forced
        for output in range(7):
            bit = word & 1 << output
            until = dt if forced >> output & 1 or not bit else min(dt, left[output])
            self.ledger.span_one(output, bool(bit), bool(forced >> output & 1), self.now, self.now + until)

    def send(self, msg: dict[int, Any]) -> dict[int, Any]:
        """One command between two ticks."""
        self.look()
        answer = self.core.command(self.board_ms, msg)
        self.act()
        assert answer[c.F_STATUS] in (c.STATUS_ACCEPTED, c.STATUS_REJECTED, c.STATUS_DONE)
        assert (answer[c.F_STATUS] == c.STATUS_REJECTED) == (answer[c.F_REASON] != c.R_NONE)
        if msg.get(c.F_TYPE) == c.M_PULSE and answer[c.F_STATUS] == c.STATUS_ACCEPTED:
            output, amount = msg[c.F_OUTPUT], msg[c.F_AMOUNT]
            if output == PUMP:
                rate = self.core.config[c.CFG_PUMP_UL_PER_S]
                amount = -(-amount * 1_000_000 // rate)
            self.ledger.allowed(output, self.now, amount)
        self.check()
        return answer

    def check(self) -> None:
        """What must hold after every step, whatever came before."""
        core, word = self.core, self.pins.levels
        assert core.health(self.board_ms)[c.F_OUTPUTS] == word, "HEALTH says what the pins do"
        assert 0 <= word < 128
        assert not (word >> CO2 & 1 and word >> EXHAUST & 1)
        if core.inputs.estop or core.state in (c.STATE_BOOT, c.STATE_SAFE):
            assert word == 0
        if core.state in (c.STATE_READY, c.STATE_FAULT):
            assert word & ~core.forced & ~(1 << PUMP) == 0
        if core.faults.latched & LOUD:
            assert word & ~core.forced == 0
        self.check_readings(word)
        assert not any(self.store.outputs_at_write)
        self.store.outputs_at_write.clear()
        self.ledger.check(self.now)

    def check_readings(self, word: int) -> None:
        """What no reading allows."""
        seen = self.readings
        if word >> PUMP & 1:
            assert seen[c.S_LEAK] == 0
            assert seen[c.S_RESERVOIR_OK] == 1 or (seen[c.S_RESERVOIR_OK] == 0 and self.float_open_ms < 1_000)
        if word >> CO2 & 1:
            assert seen[c.S_CO2_PPM] is not None and seen[c.S_CO2_PPM] < 1_500
        if word >> 4 & 1:
            assert seen[c.S_SOIL_TEMP_C] is not None and -4_000 <= seen[c.S_SOIL_TEMP_C] < 2_800
        if word >> 3 & 1:
            assert seen[c.S_RH_PCT] is not None and seen[c.S_RH_PCT] < 9_200
        hot = seen[c.S_AIR_TEMP_C]
        if hot is not None and 3_800 <= hot <= 8_500 and self.core.state > c.STATE_SAFE:
            assert not word & 0b10001
