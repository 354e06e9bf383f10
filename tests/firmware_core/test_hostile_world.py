"""A Hypothesis state machine drives the core through a hostile world; an independent ledger watches the pins."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tomato import contract as c

from tests.firmware_core.bench_world import BenchWorld
from tests.firmware_core.rig import GOOD

OUTPUT = st.integers(0, 6)
KINDS = st.sampled_from([c.M_PULSE, c.M_STOP, c.M_STOP_ALL, c.M_LEASE, c.M_CLEAR_FAULT, c.M_CONFIG, 0, 99])
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.integers(-2, 20),
    st.floats(allow_nan=True),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.just([1]),
)
FIELDS = st.sampled_from(
    [
        c.F_CMD_ID,
        c.F_OUTPUT,
        c.F_AMOUNT,
        c.F_NOT_AFTER_MS,
        c.F_FAULT,
        c.F_LEASE_MS,
        c.F_CONFIG_KEY,
        c.F_CONFIG_VALUE,
        999,
    ]
)
MODEST = (600_000, 600_000, 600_000, 120_000, 300_000, 80, 15_000)
READINGS = {
    c.S_AIR_TEMP_C: (2_400, 3_799, 3_800, 3_399, 9_999, None),
    c.S_RH_PCT: (6_000, 9_199, 9_200, None),
    c.S_CO2_PPM: (600, 1_499, 1_500, 3_000, None),
    c.S_SOIL_TEMP_C: (2_000, 2_799, 2_800, 3_500, -9_000, None),
    c.S_SOIL_P1_PCT: (4_000, 1_000, 20_000, None),
    c.S_SOIL_P2_PCT: (4_000, 1_000, None),
    c.S_LEAK: (0, 0, 0, 1, None),
    c.S_RESERVOIR_OK: (1, 1, 0, None),
}
HOURS = st.sampled_from([24, 2, 1])
"""How long one thing goes on: a whole day in a third of the cases, for it takes as long as a hundred other rules."""
READING = st.sampled_from([(sensor, value) for sensor, values in READINGS.items() for value in values])


class HostileWorld(RuleBasedStateMachine):
    """Each rule is one thing the world may do to the board."""

    @initialize()
    def power_on(self) -> None:
        self.world = BenchWorld()

    @rule(dt=st.integers(0, 400), n=st.integers(1, 4))
    def a_few_ticks(self, dt: int, n: int) -> None:
        for _ in range(n):
            self.world.step(dt)

    @rule(dt=st.sampled_from([1_900, 4_999, 5_001, 29_000, 61_000, 301_000, 599_000, 3_600_000, 90_000_000, 2**29 - 1]))
    def the_clock_jumps(self, dt: int) -> None:
        self.world.step(dt)

    @rule(minutes=st.integers(1, 12))
    def a_while_with_a_good_host(self, minutes: int) -> None:
        for _ in range(minutes):
            self.world.send({c.F_TYPE: c.M_LEASE})
            self.world.step(4_900)

    @rule(output=OUTPUT, share=st.sampled_from([1.0, 0.1, 0.5, 2.0, 1_000.0]))
    def a_leased_pulse(self, output: int, share: float) -> None:
        self.world.send({c.F_TYPE: c.M_LEASE})
        self.world.next_id += 1
        self.world.send(
            {
                c.F_TYPE: c.M_PULSE,
                c.F_CMD_ID: self.world.next_id,
                c.F_OUTPUT: output,
                c.F_AMOUNT: math.ceil(MODEST[output] * share),
            }
        )

    @rule(amount=st.integers(1, 250), minutes=st.integers(1, 12))
    def water_again_and_again(self, amount: int, minutes: int) -> None:
        for _ in range(minutes):
            self.world.send({c.F_TYPE: c.M_LEASE})
            self.world.send({c.F_TYPE: c.M_PULSE, c.F_CMD_ID: 1, c.F_OUTPUT: c.OUT_WATER_PUMP, c.F_AMOUNT: amount})
            self.world.step(14_000)
            self.world.step(66_000)

    @rule(kind=KINDS, fields=st.dictionaries(FIELDS, ANYTHING, max_size=5))
    def any_message(self, kind: int, fields: dict[int, Any]) -> None:
        self.world.send({c.F_TYPE: kind, **fields})

    @rule(key=st.integers(0, len(c.CONFIG) - 1), share=st.floats(0, 1))
    def configure(self, key: int, share: float) -> None:
        if key == c.CFG_PUMP_UL_PER_S:
            return  # the ledger's pump has one true rate; test_configuration holds its bounds
        _, lowest, highest, _ = c.CONFIG[key]
        if share < 0.3:
            self.the_button(3_100)
        elif share < 0.9:
            self.world.send({c.F_TYPE: c.M_LEASE})
        self.world.send(
            {c.F_TYPE: c.M_CONFIG, c.F_CONFIG_KEY: key, c.F_CONFIG_VALUE: lowest + int((highest - lowest) * share)}
        )

    @rule(reading=READING)
    def a_reading_changes(self, reading: tuple[int, int | None]) -> None:
        self.world.readings[reading[0]] = reading[1]
        self.world.step(50)

    @rule()
    def a_good_hour_begins(self) -> None:
        self.everything_reads_well_again()
        self.every_fault_is_cleared_that_can_be()

    @rule()
    def everything_reads_well_again(self) -> None:
        self.world.readings.update(GOOD)
        self.world.core.inputs.estop = 0
        self.world.core.inputs.pin_fault = 0
        self.world.step(50)

    @rule(estop=st.sampled_from([0, 0, 1]), pin=st.sampled_from([0, 0, 0, 1, 32]))
    def lines(self, estop: int, pin: int) -> None:
        self.world.core.inputs.estop = estop
        self.world.core.inputs.pin_fault = pin
        self.world.step(50)

    @rule(held=st.sampled_from([10, 200, 3_100]))
    def the_button(self, held: int) -> None:
        self.world.core.inputs.button = 1
        self.world.step(held)
        self.world.core.inputs.button = 0
        self.world.step(50)

    @rule(pumps=st.integers(1, 4), amount=st.integers(50, 250), hours=HOURS)
    def a_thirsty_day(self, pumps: int, amount: int, hours: int) -> None:
        self.a_good_hour_begins()
        for _ in range(hours):
            for _ in range(pumps):
                self.water_again_and_again(amount, 1)
            self.world.step(3_300_000)

    @rule(amount=st.integers(5_000, 30_000), hours=HOURS)
    def a_day_of_gas(self, amount: int, hours: int) -> None:
        self.a_good_hour_begins()
        for _ in range(2 * hours):
            for _ in range(amount // 4_900 + 1):
                self.world.send({c.F_TYPE: c.M_LEASE})
                self.world.send(
                    {c.F_TYPE: c.M_PULSE, c.F_CMD_ID: 2, c.F_OUTPUT: c.OUT_CO2_SOLENOID, c.F_AMOUNT: amount}
                )
                self.world.step(4_900)
            self.world.step(1_200_000)

    @rule()
    def every_fault_is_cleared_that_can_be(self) -> None:
        self.the_button(3_100)
        for fault in range(len(c.FAULTS)):
            self.world.send({c.F_TYPE: c.M_CLEAR_FAULT, c.F_FAULT: fault})

    @rule(share=st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    def the_water_flows_or_not(self, share: float) -> None:
        self.world.flow_share = share

    @rule(pulses=st.integers(0, 30))
    def water_runs_by_itself(self, pulses: int) -> None:
        self.world.core.inputs.flow_count += pulses
        self.world.step(50)

    @rule(
        dark=st.sampled_from([0, 300, 60_000, 7_200_000]),
        before_wrap=st.sampled_from([1, 2_000, 60_000, 2**29]),
        tear=st.sampled_from([-1, -1, 0, 17, 159]),
    )
    def power_is_cut(self, dark: int, before_wrap: int, tear: int) -> None:
        self.world.reset(dark, before_wrap, tear)

    @rule(fail=st.booleans())
    def flash_fails_or_works(self, fail: bool) -> None:
        self.world.store.fail = fail

    @rule()
    def the_host_listens(self) -> None:
        for _ in range(40):
            row = self.world.core.next_result()
            if row is None:
                break
            assert row[c.F_STATUS] in (c.STATUS_DONE, c.STATUS_ABORTED)
            assert row[c.F_DELIVERED] >= 0
        self.world.core.health(self.world.board_ms)
        assert self.world.core.next_due_ms(self.world.board_ms) > 0


def campaign(shard: int, wanted: int, steps: int) -> None:
    """Drive worlds of `steps` rules each until `wanted` rules have really run.

    Some worlds end early, when what was drawn for them grows too large; hence the count, and one more round.
    """
    ran = 0
    while ran < wanted:
        before = ran

        @seed(shard * 1_000_000 + ran)
        class Counted(HostileWorld):
            @invariant()
            def one_more_step(self) -> None:
                nonlocal ran
                ran += 1

        run_state_machine_as_test(
            Counted,
            settings=settings(
                max_examples=(wanted - ran) // steps + 1,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),
            ),
        )
        assert ran > before, "no step ran at all"


def test_ten_thousand_steps() -> None:
    campaign(0, 10_000, 100)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(1, 21))
def test_a_million_steps_in_twenty_shards(shard: int) -> None:
    campaign(shard, 50_000, 200)
