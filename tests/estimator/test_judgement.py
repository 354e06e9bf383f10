"""The estimator's judgement of sensors to the digit: one sensor, its companions, events that explain, the lamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.control.control_inputs import MIN_CONFIDENCE
from tomato_host.brain.estimator import EstimatorSettings, ProbeSettings
from tomato_host.brain.estimator.anomaly_detector import SIGNALS, AnomalyDetector
from tomato_host.brain.estimator.channels import CHANNELS, DOOR, PUMPED, SOIL_PROBE, SWITCHING, channels_for
from tomato_host.brain.estimator.confidence import (
    cross_factor,
    history_factor,
    overall_confidence,
    range_factor,
    rate_factor,
)
from tomato_host.brain.estimator.cross_check import CrossCheck
from tomato_host.brain.estimator.lamp_interference import LampInterference
from tomato_host.brain.estimator.recent_events import LONG_AGO_S, RecentEvents
from tomato_host.brain.estimator.sensor_health import (
    DISCONNECT,
    FAULT_OF_BIT,
    INCONSISTENT,
    INTERFERENCE,
    JUMP,
    NO_VALUE,
    OUT_OF_RANGE,
    STUCK,
    SensorTrack,
)

from shared_schemas.records import AnomalyV1, FaultType
from shared_schemas.records.device_status_v1 import Outputs
from tests.estimator.days import LIT, NOON, devices

CHANNEL = {c.name: c for c in CHANNELS}


def probe(*samples: tuple[float, float | None], excused: bool = False) -> SensorTrack:
    """A soil probe (0.5 to 99.9 %, steps of 6 + 1 a minute) after these samples of (seconds, reading)."""
    track = SensorTrack(SOIL_PROBE)
    feed(track, *samples, excused=excused)
    return track


def feed(track: SensorTrack, *samples: tuple[float, float | None], excused: bool = False) -> None:
    for t_s, reading in samples:
        track.update(t_s, reading, excused, 0.0, "timeout")


# -- one sensor ---------------------------------------------------------------------------------------------------


def test_each_fault_has_a_bit_of_its_own() -> None:
    assert sum(FAULT_OF_BIT) == 511 and set(FAULT_OF_BIT.values()) == set(FaultType)
    assert FAULT_OF_BIT[STUCK] is FaultType.STUCK_AT and FAULT_OF_BIT[INTERFERENCE] is FaultType.LIGHT_INTERFERENCE
    assert NO_VALUE == STUCK | OUT_OF_RANGE | DISCONNECT


def test_a_new_track_knows_nothing() -> None:
    track = SensorTrack(SOIL_PROBE)
    assert (track.fitted, track.faults, track.reported, track.settling, track.value, track.raw) == (
        *(False, 0, 0, False, None, None),
    )
    assert (track.reason, track.last_good_s, track.spikes, track.stuck_after_s) == ("not_fitted", None, 0, 3_600.0)
    assert track.trusted is None and track.flat_share(1e6) == 0.0 and track.pop_bad_share() == 0.0
    assert track.channel is SOIL_PROBE and track.excused_by == SOIL_PROBE.excused_by


@pytest.mark.parametrize(("reading", "fits"), [(0.5, True), (0.49, False), (99.9, True), (99.91, False)])
def test_the_plausible_range_has_its_ends(reading: float, fits: bool) -> None:
    track = probe((0.0, reading))
    assert (track.faults == 0) is fits and (track.trusted == reading) is fits
    assert fits or track.faults == OUT_OF_RANGE
    assert track.fitted


def test_noise_is_filtered_by_its_time_constant() -> None:
    track = probe((0.0, 30.0), (60.0, 34.0))
    assert track.value == 32.0 and track.raw == 34.0 and track.last_good_s == 60.0
    feed(track, (75.0, 34.0))
    assert track.value == pytest.approx(32.0 + 2.0 * 15.0 / 75.0)


@pytest.mark.parametrize(
    ("after_s", "step", "believed"),
    [(60.0, 6.99, True), (60.0, 7.0, False), (60.0, -6.99, True), (60.0, -7.0, False), (300.0, 10.99, True)],
)
def test_a_step_is_believed_up_to_its_limit(after_s: float, step: float, believed: bool) -> None:
    track = probe((0.0, 50.0), (after_s, 50.0 + step))
    assert (track.spikes == 0) is believed and track.faults == 0
    assert track.raw == (50.0 + step if believed else 50.0)


def test_light_may_also_move_by_a_share_of_itself() -> None:
    for reading, believed in ((2_111.0, True), (2_112.0, False)):
        track = SensorTrack(CHANNEL["light_lux"])
        feed(track, (0.0, 1_000.0), (60.0, reading))
        assert (track.spikes == 0) is believed
    falling = SensorTrack(CHANNEL["light_lux"])
    feed(falling, (0.0, 2_111.0), (60.0, 1_000.0))
    assert falling.spikes == 0


def test_one_wild_sample_is_a_spike_and_leaves_nothing_behind() -> None:
    track = probe((0.0, 50.0), (10.0, 80.0), (20.0, 50.0), (30.0, 80.0))
    assert (track.spikes, track.faults, track.raw, track.value) == (2, 0, 50.0, 50.0)
    assert track.pop_bad_share() == 0.5 and track.pop_bad_share() == 0.0


def test_a_second_sample_near_the_first_makes_it_a_jump() -> None:
    track = probe((0.0, 50.0), (10.0, 80.0), (20.0, 74.1))
    assert track.faults == JUMP and track.jump_s == 20.0 and track.value == 74.1 and track.spikes == 1
    apart = probe((0.0, 50.0), (10.0, 80.0), (20.0, 74.0))
    assert apart.faults == 0 and apart.spikes == 2
    feed(apart, (30.0, 68.1))
    assert apart.faults == JUMP, "compared with the newest one"


def test_four_wild_samples_are_a_jump_wherever_they_lie() -> None:
    track = probe((0.0, 50.0), (10.0, 80.0), (20.0, 20.0), (30.0, 90.0))
    assert track.faults == 0 and track.spikes == 3
    feed(track, (40.0, 10.0))
    assert track.faults == JUMP and track.value == 10.0
    feed(track, (50.0, 60.0), (60.0, 90.0), (70.0, 30.0))
    assert track.spikes == 6 and track.value == 10.0, "counted anew"
    feed(track, (80.0, 70.0))
    assert track.value == 70.0


def test_at_a_slow_pace_one_sample_is_enough() -> None:
    assert probe((0.0, 50.0), (599.0, 70.0)).faults == 0
    assert probe((0.0, 50.0), (600.0, 70.0)).faults == JUMP
    assert probe((0.0, 50.0), (600.0, 65.9)).faults == 0


def test_an_event_explains_a_faster_change_but_not_any() -> None:
    for step, explained in ((35.9, True), (36.0, False)):
        track = probe((0.0, 50.0))
        feed(track, (60.0, 50.0 + step), excused=True)
        assert (track.spikes == 0) is explained and track.faults == 0
        assert track.value == (50.0 + step if explained else 50.0), "taken as it is"
    pending = probe((0.0, 50.0), (10.0, 80.0))
    feed(pending, (70.0, 60.0), excused=True)
    feed(pending, (80.0, 81.0))
    assert pending.faults == 0, "what waited for confirmation is forgotten"


def test_a_jump_is_forgotten_after_two_hours() -> None:
    track = probe((0.0, 50.0), (10.0, 80.0), (20.0, 80.0))
    feed(track, *((float(t), 80.0 + t % 7 / 10.0) for t in range(1_000, 7_220, 100)), (7_219.9, 80.0))
    assert track.faults == JUMP
    feed(track, (7_220.0, 80.1))
    assert track.faults == 0


def test_a_jump_found_elsewhere_is_flagged_the_same() -> None:
    track = probe((0.0, 50.0))
    track.flag_jump(5.0)
    assert track.faults == JUMP and track.jump_s == 5.0 and track.trusted == 50.0


@pytest.mark.parametrize("reason", ["not_fitted", "not_measured", "warming_up"])
def test_what_was_never_there_is_not_missing(reason: str) -> None:
    track = SensorTrack(SOIL_PROBE)
    for t_s in (0.0, 100.0, 2_000.0):
        track.update(t_s, None, False, 0.0, reason)
    assert (track.faults, track.fitted, track.reason, track.pop_bad_share()) == (0, False, reason, 0.0)


def test_warming_up_again_after_a_value_is_missing() -> None:
    track = probe((0.0, 50.0))
    for t_s in (20.0, 40.0):
        track.update(t_s, None, False, 0.0, "warming_up")
    assert track.faults == DISCONNECT and track.pop_bad_share() == pytest.approx(2 / 3)


def test_the_boards_own_range_check_counts_as_ours() -> None:
    track = probe((0.0, 50.0))
    track.update(10.0, None, False, 0.0, "out_of_range")
    assert track.faults == OUT_OF_RANGE and track.value is None and track.reason == "out_of_range"


@pytest.mark.parametrize(
    ("missing_at", "gone"),
    [((10.0, 24.9), False), ((10.0, 25.0), True), ((25.0,), False), ((599.0,), False), ((600.0,), True)],
)
def test_disconnected_by_time_and_samples(missing_at: tuple[float, ...], gone: bool) -> None:
    track = probe((0.0, 50.0), *((t, None) for t in missing_at))
    assert (track.faults == DISCONNECT) is gone


def test_a_short_gap_is_bridged_with_the_last_value() -> None:
    assert probe((0.0, 50.0), (60.0, None)).value == 50.0
    assert probe((0.0, 50.0), (60.1, None)).value is None
    assert probe((60.0, None)).value is None


def test_after_a_long_gap_any_level_is_new_and_after_a_short_one_it_is_compared() -> None:
    long = probe((0.0, 50.0), (30.0, None), (60.1, 90.0))
    assert long.faults == 0 and long.value == 90.0 and long.spikes == 0
    short = probe((0.0, 50.0), (30.0, None), (60.0, 90.0))
    assert short.spikes == 1
    again = probe((0.0, 50.0), (10.0, None), (20.0, 50.1), (30.0, None), (50.0, 50.2), (60.0, None))
    assert again.faults == 0, "the count of missing samples begins anew"


def test_trust_comes_back_two_minutes_after_the_last_bad_sample() -> None:
    track = probe((0.0, 50.0), (10.0, 0.0), (129.9, 50.1))
    assert track.faults == OUT_OF_RANGE and track.trusted is None and track.value == 50.1
    feed(track, (130.0, 50.2))
    assert track.faults == 0 and track.trusted is not None


def flat(track: SensorTrack, value: float, *times: float) -> SensorTrack:
    feed(track, *((t, value) for t in times))
    return track


def test_stuck_needs_an_hour_and_four_samples() -> None:
    assert flat(probe(), 50.0, 0.0, 1_200.0, 2_400.0, 3_599.0).faults == 0
    stuck = flat(probe(), 50.0, 0.0, 1_200.0, 2_400.0, 3_600.0)
    assert stuck.faults == STUCK and stuck.trusted is None and stuck.pop_bad_share() == 0.25
    few = flat(probe(), 50.0, 0.0, 2_000.0, 4_000.0)
    assert few.faults == 0 and few.flat_share(4_000.0) == 0.0
    assert flat(few, 50.0, 4_001.0).faults == STUCK
    begun_late = flat(probe(), 50.0, 5_000.0, 5_100.0, 5_200.0, 5_300.0)
    assert begun_late.flat_share(6_800.0) == pytest.approx(0.5) and begun_late.faults == 0
    feed(begun_late, (5_400.0, 50.1))
    assert begun_late.flat_share(5_500.0) == 0.0 and begun_late.changed_s == 5_400.0


@pytest.mark.parametrize(
    ("name", "value", "natural"),
    [("light_lux", 50.0, True), ("light_lux", 51.0, False), ("rh_pct", 99.0, True), ("rh_pct", 98.9, False)],
)
def test_darkness_and_fog_may_stand_still(name: str, value: float, natural: bool) -> None:
    track = flat(SensorTrack(CHANNEL[name]), value, *(600.0 * n for n in range(20)))
    assert (track.faults == 0) is natural
    assert (track.flat_share(11_400.0) == 0.0) is natural


def run(track: SensorTrack, start_s: float, lasts_s: float, value: float) -> float:
    """A flat run of that length, ten samples; returns when it ended."""
    feed(track, *((start_s + lasts_s * n / 10.0, value) for n in range(10)))
    return start_s + lasts_s


def test_a_coarse_sensor_may_be_flat_for_twice_its_longest_run() -> None:
    track = probe()
    end = run(track, 100.0, 3_000.0, 50.0)
    assert track.stuck_after_s == 3_600.0
    feed(track, (end, 50.1))
    assert track.stuck_after_s == 6_000.0
    end = run(track, end, 1_000.0, 50.1)
    feed(track, (end, 50.2))
    assert track.stuck_after_s == 6_000.0, "a shorter one changes nothing"
    end = run(track, end, 20_000.0, 50.2)
    feed(track, (end, 50.3))
    assert track.stuck_after_s == 2.0 * 1.25 * 6_000.0, "one run counts for a quarter more at most"
    for n in range(3):
        end = run(track, end, 80_000.0, 50.3 + n / 10.0)
        feed(track, (end, 50.4 + n / 10.0))
    assert track.stuck_after_s == 43_200.0


def test_long_flat_runs_are_forgotten_after_one_to_two_weeks() -> None:
    track, t_s, week_s = probe((0.0, 50.0), (3_000.0, 50.1)), 3_000.0, 604_800.0
    assert track.stuck_after_s == 6_000.0
    for weeks, limit in ((0.99, 6_000.0), (1.01, 6_000.0), (1.99, 6_000.0), (2.01, 3_600.0)):
        while t_s < 3_000.0 + weeks * week_s:  # ten minutes flat each
            t_s += 600.0
            feed(track, (t_s, 50.0 + t_s % 1_200.0 / 6_000.0))
        assert track.stuck_after_s == limit, weeks


def test_darkness_teaches_no_patience() -> None:
    track = SensorTrack(CHANNEL["light_lux"])
    end = run(track, 0.0, 3_000.0, 0.0)
    feed(track, (end, 60.0))
    assert track.stuck_after_s == 3_600.0


def test_a_held_sample_counts_and_is_not_checked() -> None:
    track = probe((0.0, 50.0), (10.0, 0.0))
    track.hold(70.0, 49.0)
    assert (track.value, track.raw, track.last_good_s) == (49.0, 49.0, 70.0)
    assert track.pop_bad_share() == pytest.approx(1 / 3)
    feed(track, (130.0, 55.9))
    assert track.spikes == 0 and track.value == pytest.approx(49.0 + 6.9 / 2.0)


def test_a_known_offset_is_taken_off_within_the_scale() -> None:
    track = SensorTrack(SOIL_PROBE)
    track.update(0.0, 50.0, False, 8.0)
    assert track.value == 42.0
    low, high = SensorTrack(SOIL_PROBE), SensorTrack(SOIL_PROBE)
    low.update(0.0, 5.0, False, 10.0)
    high.update(0.0, 95.0, False, -10.0)
    assert (low.value, high.value) == (0.5, 99.9)


# -- how it is reported -------------------------------------------------------------------------------------------


def test_a_fault_is_reported_with_the_last_value_and_why_it_is_missing() -> None:
    detector, track = AnomalyDetector(["soil.P1"]), probe((0.0, 50.12346))
    feed(track, (30.0, None), (60.0, None))
    (gone,) = detector.fault_changes(61.9, NOON, track)
    assert gone.signals == {"fault": "DISCONNECT", "last_value": 50.123, "reason": "timeout"}
    assert (gone.id, gone.severity.value, gone.subject) == ("SENSOR_DISCONNECT.soil.DISCONNECT.61", "HIGH", "soil")
    fresh = SensorTrack(CHANNEL["co2_ppm"])
    fresh.update(0.0, 1.0, False)
    (impossible,) = detector.fault_changes(5.0, NOON, fresh)
    assert impossible.signals == {"fault": "OUT_OF_RANGE"} and impossible.severity.value == "MEDIUM"


def test_an_event_is_reported_with_three_digits_and_an_id_of_64_characters_at_most() -> None:
    detector = AnomalyDetector(["soil.P1"])

    def leak(t_s: float, value: float) -> list[AnomalyV1]:
        return detector.update(t_s, NOON, [value if name == "leak" else None for name in SIGNALS] + [None])

    (opened,) = leak(100.9, 0.98765)
    assert (opened.id, opened.signals) == ("LEAK.100", {"leak": 0.988, "threshold": 0.5})
    leak(200.0, 0.12345)
    (cleared,) = leak(260.0, 0.12345)
    assert cleared.signals == {"leak": 0.123} and cleared.id == "LEAK.100" and cleared.phase == "CLEARED"
    long = SensorTrack(replace(SOIL_PROBE, name="soil." + "x" * 24))
    feed(long, (0.0, 50.0), (1e3, None), (1_234_567_890.0, None))
    (named,) = detector.fault_changes(1_234_567_890.0, NOON, long)
    assert named.id == ("SENSOR_DISCONNECT.soil." + "x" * 24 + ".DISCONNECT")[:52] + ".1234567890"


# -- confidence ---------------------------------------------------------------------------------------------------


def test_factors_at_their_corners() -> None:
    assert [range_factor(v, 0.0, 100.0) for v in (None, -0.1, 0.0, 1.0, 2.0, 50.0, 98.0, 99.0, 100.0, 100.1)] == (
        pytest.approx([0.0, 0.0, 0.5, 0.75, 1.0, 1.0, 1.0, 0.75, 0.5, 0.0])
    )
    assert range_factor(0.0, 0.0, 100.0, natural_edge=True) == 1.0
    assert range_factor(-1.0, 0.0, 100.0, natural_edge=True) == 0.0
    assert [rate_factor(s) for s in (-5.0, 0.0, 3_600.0, 7_200.0, 1e6)] == pytest.approx([0.3, 0.3, 0.65, 1.0, 1.0])
    assert (rate_factor(1e6, settling=True), rate_factor(0.0, settling=True)) == (0.6, 0.3)
    assert [cross_factor(m) for m in (0.0, 1.0, 1.5, 2.0, 9.0)] == pytest.approx([1.0, 1.0, 0.7, 0.4, 0.4])
    assert [history_factor(b, 0.0, 0.0) for b in (-1.0, 0.0, 0.5, 1.0, 2.0)] == pytest.approx([1.0, 1.0, 0.6, 0.2, 0.2])
    assert [history_factor(0.0, f, 0.0) for f in (0.5, 0.75, 1.0, 3.0)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert [history_factor(0.0, 0.0, d) for d in (0.5, 0.75, 1.0, 3.0)] == pytest.approx([1.0, 0.65, 0.3, 0.3])
    alone = [history_factor(0.0, 0.0, d, alone=True) for d in (0.5, 0.75, 1.0, 3.0)]
    assert alone == pytest.approx([1.0, 0.8, 0.6, 0.6])
    assert min(alone) > MIN_CONFIDENCE, "such a reading still counts for the controllers"
    assert overall_confidence([(3.0, 1.0), (1.0, 0.0)], True) == 0.75
    assert overall_confidence([(3.0, 1.0), (1.0, 0.0)], False) == 0.375
    assert overall_confidence([], True) == 0.0 and overall_confidence([(0.5, 1.0)], True) == 1.0


# -- companions ---------------------------------------------------------------------------------------------------

ONE_ZONE = EstimatorSettings(probes=tuple(ProbeSettings(id=f"P{n}", zone="pot") for n in (1, 2, 3)))
NAMES = tuple(c.name for c in channels_for(ONE_ZONE))


def compared(
    settings: EstimatorSettings = ONE_ZONE, lamp: bool = True, lamp_for_s: float = 1e6, **values: float
) -> dict[str, float]:
    """Mismatch by sensor (those above 0) after one sample of these values."""
    names = tuple(c.name for c in channels_for(settings))
    check = CrossCheck(names, settings)
    check.update(0.0, [values.get(n) for n in names], lamp, lamp_for_s)
    return {n: m for n, m in zip(names, check.mismatch, strict=True) if m}


def test_leaf_and_air_that_part_doubt_both_without_a_third() -> None:
    assert compared(air_temp_c=24.0, leaf_temp_c=30.4) == {}
    assert compared(air_temp_c=24.0, leaf_temp_c=32.0) == {"air_temp_c": 1.0, "leaf_temp_c": 1.0}
    assert compared(air_temp_c=24.0, leaf_temp_c=12.0) == {"air_temp_c": 1.5, "leaf_temp_c": 1.5}
    assert compared(air_temp_c=24.0) == {} and compared(leaf_temp_c=24.0, soil_temp_c=90.0) == {}


@pytest.mark.parametrize(
    ("air", "leaf", "suspect"),
    [
        (24.0, 33.0, {"leaf_temp_c"}),
        (33.0, 24.0, {"air_temp_c"}),
        (26.5, 17.5, {"air_temp_c"}),
        (25.9, 16.9, {"air_temp_c", "leaf_temp_c"}),
        (14.1, 23.1, {"air_temp_c", "leaf_temp_c"}),
        (17.5, 26.5, {"leaf_temp_c"}),
        (26.0, 17.0, {"air_temp_c"}),
        (17.0, 26.0, {"leaf_temp_c"}),
        (28.0, 15.0, {"air_temp_c"}),
    ],
)
def test_the_soil_says_which_of_the_two_is_wrong(air: float, leaf: float, suspect: set[str]) -> None:
    seen = compared(air_temp_c=air, leaf_temp_c=leaf, soil_temp_c=20.0)
    assert {n for n, m in seen.items() if m > 0.8} == suspect
    assert all(seen[n] == pytest.approx(abs(air - leaf) / 8.0) for n in suspect)


def test_the_soil_is_compared_with_the_nearer_of_air_and_leaf() -> None:
    assert compared(air_temp_c=24.0, soil_temp_c=40.0) == {"soil_temp_c": 1.0}
    assert compared(air_temp_c=24.0, leaf_temp_c=28.0, soil_temp_c=44.0) == {"soil_temp_c": 1.0}
    assert compared(air_temp_c=28.0, leaf_temp_c=24.0, soil_temp_c=44.0) == {"soil_temp_c": 1.0}


@pytest.mark.parametrize(
    ("lux", "lamp", "for_s", "mismatch"),
    [
        (149.0, True, 240.0, 2.0),
        (150.0, True, 240.0, 0.0),
        (149.0, True, 239.0, 0.0),
        (150.0, False, 240.0, 0.0),
        (3_000.0, False, 240.0, 1.0),
        (151.0, False, 240.0, 151.0 / 3_000.0),
        (9_000.0, True, 240.0, 0.0),
    ],
)
def test_light_against_the_lamp(lux: float, lamp: bool, for_s: float, mismatch: float) -> None:
    assert compared(lamp=lamp, lamp_for_s=for_s, light_lux=lux).get("light_lux", 0.0) == pytest.approx(mismatch)
    sunny = EstimatorSettings(daylight=True)
    in_sun = compared(sunny, lamp=lamp, lamp_for_s=for_s, light_lux=lux).get("light_lux", 0.0)
    assert in_sun == (mismatch if lamp else 0.0)


def probes_of(check: CrossCheck) -> list[float]:
    return [round(check.mismatch[NAMES.index(f"soil.P{n}")], 6) for n in (1, 2, 3)]


def soil(*levels: float | None) -> list[float | None]:
    found: dict[str, float | None] = {f"soil.P{n}": level for n, level in enumerate(levels, 1)}
    return [found.get(n) for n in NAMES]


def test_probes_of_one_zone_are_compared_with_their_usual_difference() -> None:
    check = CrossCheck(NAMES, ONE_ZONE)
    check.update(0.0, soil(30.0, 40.0, 35.0), True, 0.0)
    assert probes_of(check) == [0.0, 0.0, 0.0], "pots are never equal"
    check.update(0.0, soil(42.0, 40.0, 35.0), True, 0.0)
    assert probes_of(check) == [1.0, 1.0, 1.0]
    check.update(0.0, soil(42.0, 40.0, None), True, 0.0)
    assert probes_of(check) == [1.0, 1.0, 0.0]
    check.update(0.0, soil(30.0, 40.0, 41.0), True, 0.0)
    assert probes_of(check) == [0.5, 0.5, 0.5]


def test_the_usual_difference_follows_within_a_day() -> None:
    check = CrossCheck(NAMES, ONE_ZONE)
    check.update(100.0, soil(30.0, 30.0, None), True, 0.0)
    check.update(100.0 + 86_400.0, soil(42.0, 30.0, None), True, 0.0)
    assert probes_of(check)[:2] == [1.0, 1.0]
    check.update(100.0 + 86_400.0, soil(42.0, 30.0, None), True, 0.0)
    assert probes_of(check)[:2] == [0.5, 0.5], "half of it is learned after a day"


def test_probes_of_different_zones_are_not_compared() -> None:
    settings = EstimatorSettings()
    names = tuple(c.name for c in channels_for(settings))
    check = CrossCheck(names, settings)
    for levels in ((30.0, 30.0), (30.0, 90.0)):
        check.update(0.0, [dict(zip(("soil.P1", "soil.P2"), levels, strict=True)).get(n) for n in names], True, 0.0)
    assert check.mismatch == [0.0] * len(names)


def flagged(course: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether the leaf is flagged after each (minute, mismatch); air and soil agree, the leaf walks off."""
    check, tracks = CrossCheck(NAMES, ONE_ZONE), [SensorTrack(SOIL_PROBE) for _ in NAMES]
    leaf, out = NAMES.index("leaf_temp_c"), []
    for minute, mismatch in course:
        values: list[float | None] = [None] * len(NAMES)
        values[NAMES.index("air_temp_c")] = 20.0
        values[NAMES.index("soil_temp_c")] = 20.0
        values[leaf] = 20.0 + 8.0 * mismatch
        check.update(minute * 60.0, values, True, 0.0)
        check.flag(minute * 60.0, tracks)
        assert not any(track.faults for i, track in enumerate(tracks) if i != leaf)
        out.append(tracks[leaf].faults == INCONSISTENT)
    return out


def test_a_mismatch_is_a_fault_when_it_lasts_a_quarter_of_an_hour() -> None:
    assert flagged([(0, 1.1), (14.9, 1.1), (15, 1.1)]) == [False, False, True]
    assert flagged([(0, 1.0), (15, 1.0), (60, 1.0)]) == [False] * 3, "at the limit they agree"
    assert flagged([(0, 1.1), (10, 0.9), (11, 1.1), (20, 1.1), (26, 1.1)]) == [False, False, False, False, True]


def test_a_fault_of_disagreement_ends_when_they_agree_as_long() -> None:
    begun = [(0, 1.1), (15, 1.1)]
    assert flagged([*begun, (20, 0.79), (34.9, 0.79), (35, 0.79)])[2:] == [True, True, False]
    assert flagged([*begun, (20, 0.81), (60, 0.81)])[2:] == [True, True], "not clearly"
    assert flagged([*begun, (20, 0.5), (30, 1.1), (31, 0.5), (45, 0.5), (46, 0.5)])[2:] == [
        *(True, True, True, True, False),
    ]
    twice = flagged([*begun, (20, 0.5), (35, 0.5), (36, 1.1), (51, 1.1), (52, 0.5), (60, 0.5), (67, 0.5)])
    assert twice[2:] == [True, False, False, True, True, True, False]


def test_just_below_the_limit_is_no_agreement_yet() -> None:
    check, tracks = CrossCheck(NAMES, ONE_ZONE), [SensorTrack(SOIL_PROBE) for _ in NAMES]
    light, seen = NAMES.index("light_lux"), []
    for minute, lux in ((0, 3_300.0), (15, 3_300.0), (20, 2_400.0), (60, 2_400.0), (70, 2_399.0), (85, 2_399.0)):
        check.update(minute * 60.0, [lux if i == light else None for i in range(len(NAMES))], False, 1e6)
        check.flag(minute * 60.0, tracks)
        seen.append(tracks[light].faults == INCONSISTENT)
    assert seen == [False, True, True, True, True, False]


# -- events that explain ------------------------------------------------------------------------------------------


def status(**changes: Any) -> Any:
    """Lamp and circulation on, the rest off, and counters at 0, but for the changes."""
    outputs = {k: changes.pop(k) for k in list(changes) if k in LIT.model_dump()}
    return devices(outputs=Outputs.model_validate({**LIT.model_dump(), **outputs}), **changes)


BITS = SWITCHING


def test_at_the_start_only_the_lamp_may_have_switched() -> None:
    events = RecentEvents()
    assert events.update(0.0, 10.0, status(), False) == BITS["light"] and events.lamp_since_s == LONG_AGO_S
    assert events.update(180.0, 10.0, status(), False) == BITS["light"]
    assert events.update(180.1, 10.0, status(), None) == 0


def settled() -> RecentEvents:
    events = RecentEvents()
    events.update(0.0, 10.0, status(), False)
    assert events.update(1_000.0, 10.0, status(), False) == 0
    return events


@pytest.mark.parametrize(
    ("change", "bit", "lasts_s"),
    [
        ({"light": "OFF"}, BITS["light"], 190.0),
        ({"circulation_fan": "OFF"}, BITS["circulation_fan"], 300.0),
        ({"exhaust_fan": "ON"}, BITS["exhaust_fan"], 300.0),
    ],
)
def test_what_may_run_for_ever_explains_when_it_switches(change: dict[str, str], bit: int, lasts_s: float) -> None:
    events = settled()
    assert events.update(1_010.0, 10.0, status(**change), False) == bit
    assert events.lamp_since_s == (1_010.0 if "light" in change else LONG_AGO_S)
    assert events.update(1_010.0 + lasts_s, 10.0, status(**change), False) == bit
    assert events.update(1_010.1 + lasts_s, 10.0, status(**change), False) == 0


@pytest.mark.parametrize(("name", "lasts_s"), [("humidifier", 300.0), ("water_pump", 900.0), ("co2_solenoid", 600.0)])
def test_what_works_in_strokes_explains_while_it_is_on_and_after(name: str, lasts_s: float) -> None:
    events = settled()
    assert events.update(1_010.0, 10.0, status(**{name: "ON"}), False) == BITS[name]
    assert events.update(3_000.0, 10.0, status(**{name: "ON"}), False) == BITS[name]
    off = 3_010.0 if name == "humidifier" else 3_000.0
    events.update(off, 10.0, status(), False)
    assert events.update(off + lasts_s, 10.0, status(), False) == BITS[name]
    assert events.update(off + lasts_s + 0.1, 10.0, status(), False) == 0


@pytest.mark.parametrize(
    ("name", "field"), [("water_pump", "water_ml_used_today"), ("co2_solenoid", "co2_seconds_used_today")]
)
def test_the_boards_counters_tell_of_strokes_between_two_samples(name: str, field: str) -> None:
    events = RecentEvents()
    events.update(0.0, 10.0, status(**{field: 5.0}), False)
    assert events.update(1_000.0, 10.0, status(**{field: 5.0}), False) == 0, "the first only notes it"
    assert events.update(1_010.0, 10.0, status(**{field: 6.0}), False) == BITS[name]
    assert events.update(5_000.0, 10.0, status(**{field: 6.0}), False) == 0
    assert events.update(5_010.0, 10.0, status(**{field: 0.0}), False) == 0, "midnight"
    assert events.update(5_020.0, 10.0, status(**{field: 1.0}), False) == BITS[name]


def test_the_open_door_explains_for_a_quarter_of_an_hour_after_it_closed() -> None:
    events = settled()
    assert events.update(1_010.0, 10.0, status(), True) == DOOR
    assert events.update(1_910.0, 10.0, status(), False) == DOOR
    assert events.update(1_910.1, 10.0, status(), False) == 0


def test_the_heater_mat_explains_nothing() -> None:
    assert settled().update(1_010.0, 10.0, status(heater_mat="ON"), False) == 0


# -- the lamp and the probes --------------------------------------------------------------------------------------


class LampedProbe:
    """A probe that is read every 10 s, and whether the lamp burns."""

    def __init__(self) -> None:
        self.track = SensorTrack(SOIL_PROBE)
        self.lamp = LampInterference(self.track)
        self.t_s = 0.0

    def read(self, level: float | None, lamp: bool, samples: int = 30, events: int = 0, period_s: float = 10.0) -> None:
        for n in range(samples):
            wiggle = 0.0 if level is None else n % 2 * 0.02
            self.lamp.update(self.t_s, None if level is None else level + wiggle, lamp, events, "timeout")
            self.t_s += period_s


def switched(shift: float, events: int = 0, level: float = 40.0) -> LampedProbe:
    """Dark at `level`, then five minutes of light in which the probe reads `shift` more."""
    seen = LampedProbe()
    seen.read(level, False)
    seen.read(level + shift, True, events=events)
    return seen


@pytest.mark.parametrize(
    ("shift", "offset", "faults"),
    [
        (0.7, 0.0, 0),
        (0.9, 0.9, 0),
        (1.9, 1.9, 0),
        (2.1, 2.1, INTERFERENCE),
        (-5.0, -5.0, INTERFERENCE),
        (11.9, 11.9, INTERFERENCE),
        (12.2, 0.0, JUMP),
        (-12.2, 0.0, JUMP),
    ],
)
def test_a_shift_is_taken_off_flagged_or_too_large_for_a_lamp(shift: float, offset: float, faults: int) -> None:
    seen = switched(shift)
    assert seen.lamp.offset == pytest.approx(offset, abs=0.03) and seen.track.faults == faults
    assert seen.track.value == pytest.approx(40.0 + shift - offset, abs=0.1)
    assert not seen.track.settling


def test_a_dry_probe_may_shift_by_eight_points() -> None:
    assert switched(7.9, level=10.0).track.faults == INTERFERENCE
    assert switched(8.2, level=10.0).track.faults == JUMP


def test_while_the_switch_settles_the_value_is_held_for_two_minutes() -> None:
    seen = LampedProbe()
    seen.read(40.0, False)
    held = seen.track.value
    for n in range(12):
        seen.read(45.0, True, 1)
        assert seen.track.settling and seen.track.value == held, n
    seen.read(45.0, True, 1)
    assert not seen.track.settling and seen.lamp.offset == pytest.approx(5.0, abs=0.05)


def test_before_is_the_mean_of_two_minutes_and_a_quarter() -> None:
    """Of the 13 samples before the switch 3 read 40 and 10 read 42.6: 42.0."""
    seen = LampedProbe()
    seen.read(40.0, False, 20)
    seen.read(42.6, False, 10)
    seen.read(45.0, True)
    assert seen.lamp.offset == pytest.approx(3.0, abs=0.05)


def test_a_lamp_that_switches_with_every_sample_is_followed() -> None:
    seen = LampedProbe()
    seen.read(40.0, False, 6, period_s=300.0)
    for _ in range(3):
        seen.read(45.0, True, 1, period_s=300.0)
        assert seen.lamp.offset == pytest.approx(5.0, abs=0.05)
        seen.read(40.0, False, 1, period_s=300.0)
        assert seen.lamp.offset == 0.0 and seen.track.value == pytest.approx(40.0, abs=0.1)


def test_in_the_dark_nothing_is_taken_off_and_the_shift_is_remembered() -> None:
    seen = switched(5.0)
    seen.read(40.0, False)
    assert seen.lamp.offset == 0.0 and seen.track.value == pytest.approx(40.0, abs=0.1)
    assert seen.track.faults == INTERFERENCE
    seen.read(45.0, True)
    assert seen.lamp.offset == pytest.approx(5.0, abs=0.05) and seen.track.faults == INTERFERENCE


def test_a_shift_that_is_gone_is_forgiven_after_two_days() -> None:
    seen = switched(5.0)
    flagged_s = seen.lamp.flagged_s
    seen.read(40.0, False)
    for n in range(40):
        seen.read(40.0, True, 60, period_s=60.0)
        seen.read(40.0, False, 60, period_s=60.0)
        if n == 0:
            flagged_s = seen.lamp.flagged_s
        lasting = seen.t_s - flagged_s < 172_800.0
        assert not lasting or seen.track.faults & INTERFERENCE
    assert seen.track.faults == 0


def test_a_burning_lamp_is_learned_when_it_goes_off() -> None:
    seen = LampedProbe()
    seen.read(45.0, True)
    assert seen.lamp.offset == 0.0
    seen.read(40.0, False)
    assert seen.lamp.offset == 0.0 and seen.track.faults == INTERFERENCE
    seen.read(45.0, True)
    assert seen.lamp.offset == pytest.approx(5.0, abs=0.05)
    small = LampedProbe()
    small.read(40.5, True)
    small.read(40.0, False)
    small.read(40.5, True)
    assert small.lamp.offset == 0.0 and small.track.faults == 0


@pytest.mark.parametrize(("left", "jumped"), [(5.8, False), (6.3, True), (-6.3, True)])
def test_what_is_left_over_after_switching_off_is_a_jump(left: float, jumped: bool) -> None:
    seen = switched(5.0)
    seen.read(40.0 + left, False)
    assert bool(seen.track.faults & JUMP) is jumped


def test_water_in_the_middle_uses_the_shift_known_before() -> None:
    fresh = switched(9.0, events=PUMPED)
    assert fresh.lamp.offset == 0.0 and fresh.track.faults == 0
    known = switched(5.0)
    known.read(40.0, False)
    known.read(53.0, True, events=PUMPED)
    assert known.lamp.offset == pytest.approx(5.0, abs=0.05)
    assert known.track.value == pytest.approx(48.0, abs=0.2)
    known.read(44.0, False, events=PUMPED)
    assert known.lamp.offset == 0.0 and known.track.value == pytest.approx(44.0, abs=0.2)


def test_a_probe_that_is_away_when_the_lamp_switches_gets_the_known_shift() -> None:
    seen = switched(5.0)
    seen.read(40.0, False)
    seen.read(None, False)
    seen.track.raw = None
    seen.read(None, True, 3)
    assert seen.lamp.offset == pytest.approx(5.0, abs=0.05)
    seen.read(None, False, 3)
    assert seen.lamp.offset == 0.0


def test_readings_out_of_range_take_no_part_in_the_settling() -> None:
    seen = LampedProbe()
    seen.read(40.0, False)
    seen.read(45.0, True, 5)
    seen.read(0.0, True, 3)
    assert seen.track.faults & OUT_OF_RANGE
    seen.read(45.0, True, 20)
    assert seen.lamp.offset == pytest.approx(5.0, abs=0.05)


def excused_step(step: float, events: int) -> int:
    seen = LampedProbe()
    seen.read(40.0, False)
    seen.read(40.0 + step, False, 3, events=events)
    return seen.track.faults


def test_water_explains_a_rise_and_the_door_any_step() -> None:
    assert excused_step(9.0, 0) == JUMP and excused_step(-9.0, 0) == JUMP
    assert excused_step(9.0, PUMPED) == 0 and excused_step(-9.0, PUMPED) == JUMP
    assert excused_step(9.0, DOOR) == 0 and excused_step(-9.0, DOOR) == 0
    assert excused_step(-9.0, DOOR | PUMPED) == 0
    assert excused_step(9.0, BITS["humidifier"]) == JUMP


def test_at_a_slow_pace_a_switch_settles_with_the_first_sample_after_it() -> None:
    seen = LampedProbe()
    seen.read(40.0, False, 6, period_s=300.0)
    seen.read(45.0, True, 1, period_s=300.0)
    assert not seen.track.settling and seen.lamp.offset == pytest.approx(5.0, abs=0.05)


@given(st.floats(-4.0, 4.0), st.floats(20.0, 60.0))
def test_any_shift_of_the_lamp_leaves_the_moisture_right(shift: float, level: float) -> None:
    seen = switched(shift, level=level)
    assert seen.track.value == pytest.approx(level, abs=0.9)
    assert (seen.track.faults == INTERFERENCE) == (abs(seen.lamp.offset) >= 2.0)
