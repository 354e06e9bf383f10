"""Exact edges of flow meter, resting flow and dry pump: what a mutation run showed nobody looked at."""

from tomato import contract as c
from tomato.core import interlocks

from tests.firmware_core.rig import in_state


def watch_of(rig):
    return interlocks.FlowWatch(rig.core.inputs, 1 << c.S_FLOW_ML)


def test_flow_that_stops_counts_from_zero():
    rig = in_state("ready")
    watch = interlocks.FlowWatch(rig.core.inputs, 1 << c.S_FLOW_ML)
    rig.core.inputs.flow_count += 1
    assert watch.step(1, 450, 50) == -1
    assert watch.dry_ms == 0
    assert watch.step(1, 450, c.FLOW_CHECK_AFTER_MS - 1) == -1
    assert watch.step(1, 450, 1) == c.FAULT_NO_FLOW


def test_dry_time_begins_at_nothing_each_time_the_pump_starts():
    rig = in_state("ready")
    watch = watch_of(rig)
    assert watch.step(1, 450, 2_999) == -1
    assert watch.step(0, 450, 50) == -1
    assert watch.step(1, 450, 2_999) == -1
    assert watch.step(1, 450, 1) == c.FAULT_NO_FLOW


def test_the_grace_after_a_dose_is_exact():
    rig = in_state("ready")
    for before, shown in ((4_999, -1), (5_000, c.FAULT_STUCK_VALVE)):
        watch = watch_of(rig)
        watch.step(1, 450, 50)
        watch.step(0, 450, before)
        rig.core.inputs.flow_count += 100
        assert watch.step(0, 450, 10_000) == shown


def test_the_grace_after_the_start_is_exact():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 4_999)
    rig.core.inputs.flow_count += 100
    assert watch.step(0, 450, 1) == -1


def test_the_window_of_resting_flow_is_exact_and_begins_anew():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    for _ in range(3):
        rig.core.inputs.flow_count += 9
        assert watch.step(0, 450, 599_999) == -1
        assert watch.step(0, 450, 1) == -1
    rig.core.inputs.flow_count += 9
    assert watch.step(0, 450, 599_999) == -1
    rig.core.inputs.flow_count += 1
    assert watch.step(0, 450, 0) == c.FAULT_STUCK_VALVE


def test_a_dose_begins_the_window_anew():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    watch.step(0, 450, 300_000)
    watch.step(1, 450, 50)
    watch.step(0, 450, 5_000)
    rig.core.inputs.flow_count += 9
    assert watch.step(0, 450, 599_999) == -1
    rig.core.inputs.flow_count += 1
    assert watch.step(0, 450, 0) == c.FAULT_STUCK_VALVE


def test_a_stuck_valve_is_told_once_for_its_water():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    rig.core.inputs.flow_count += 10
    assert watch.step(0, 450, 500) == c.FAULT_STUCK_VALVE
    assert watch.step(0, 450, 50) == -1
    assert watch.rest_ms == 50


def test_the_moment_a_dry_pump_is_found_is_a_due_moment():
    rig = in_state("leased")
    rig.flow_per_s = 0
    rig.pulse(c.OUT_WATER_PUMP, 200)
    rig.run(1_000)
    assert rig.core.flow.dry_ms == 1_000
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + 2_000


def test_a_flow_meter_is_fitted_by_its_own_bit():
    inputs = in_state("ready").core.inputs
    assert interlocks.FlowWatch(inputs, 1 << c.S_FLOW_ML).fitted
    assert not interlocks.FlowWatch(inputs, ~(1 << c.S_FLOW_ML)).fitted


def test_a_litre_is_a_litre():
    running = in_state("ready").core.pulses
    running.inputs.flow_count = running.flow_base + 450
    assert running.flowed_ml() == 1_000


def test_of_a_burst_counts_what_forty_ml_a_second_would_have_given():
    """4,000 pulses a second at 100,000 a litre, and one that was under way."""
    for dt_ms, counted in ((0, 1), (50, 201), (400, 1_601)):
        for pulses in (0, counted, counted + 1, counted + 1_000):
            watch = watch_of(in_state("ready"))
            watch.step(0, 100_000, 5_000)
            watch.inputs.flow_count += pulses
            assert watch.step(0, 100_000, dt_ms) == -1
            assert pulses - watch.base == min(pulses, counted), (dt_ms, pulses)
