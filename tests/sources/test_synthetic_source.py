"""The synthetic plant: same seed same day, a day that looks like one, disturbances that show where they should."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tomato_host.sources.scenarios import CALM, FAULTS, OLD_NAMES
from tomato_host.sources.synthetic import SyntheticSource
from tomato_host.sources.synthetic_faults import SYNTHETIC_FAULTS, SyntheticFault, SyntheticReadings

from shared_schemas.records import ObservationV1
from tests.sources.conftest import START

SITE_ZONE = ZoneInfo("Europe/Vienna")


def day(
    seed: int = 7, *scenarios: str | SyntheticFault, hours: float = 24.0, start: datetime = START
) -> list[ObservationV1]:
    source = SyntheticSource(seed, start, hours, 300.0, scenarios, zone=SITE_ZONE)
    seen = []
    while (observation := source.next_observation()) is not None:
        seen.append(observation)
    return seen


def test_seeded_generation_is_deterministic() -> None:
    first, again, other = day(7), day(7), day(8)
    assert [o.to_json() for o in first] == [o.to_json() for o in again]
    assert [o.ts for o in first] == [o.ts for o in other]
    assert sum(a.air_temp_c == b.air_temp_c for a, b in zip(first, other, strict=True)) < len(first) / 10


def test_diurnal_cycle_affects_output() -> None:
    seen = day()
    noon = [o for o in seen if 12 <= o.ts.hour < 18]
    night = [o for o in seen if 1 <= o.ts.hour < 5]

    def mean(observations: list[ObservationV1], name: str) -> float:
        return statistics.fmean(getattr(o, name) for o in observations)

    assert mean(noon, "light_lux") > 20_000 and mean(night, "light_lux") < 10
    assert mean(noon, "air_temp_c") > mean(night, "air_temp_c") + 4.0
    assert mean(noon, "rh_pct") < mean(night, "rh_pct") - 8.0
    assert mean(noon, "co2_ppm") < mean(night, "co2_ppm")
    # The soil dries by day and night, faster by day, and is filled up once by the watering.
    p1 = {o.ts.hour + o.ts.minute / 60: o.soil[0].moisture_pct or 0.0 for o in seen}
    assert p1[2.0] > p1[6.0] and p1[8.0] > p1[7.0] and p1[8.0] - p1[20.0] > 2 * (p1[2.0] - p1[6.0])


def test_scenario_injection_changes_signal() -> None:
    plain = day(7)
    for name, scenario in SYNTHETIC_FAULTS.items():
        if scenario is None:
            assert [o.to_json() for o in day(7, name)] == [o.to_json() for o in plain]
            continue
        disturbed = day(7, name)
        changed = [i for i, (a, b) in enumerate(zip(plain, disturbed, strict=True)) if a != b]
        hours = [i * 300 / 3600 for i in changed]
        assert changed, name
        # Nothing outside its window differs: the noise is the same with and without a scenario.
        assert scenario.begin_h <= min(hours) and max(hours) < scenario.end_h, name
    heat = max(o.air_temp_c or 0.0 for o in day(7, "heatwave"))
    assert heat > max(o.air_temp_c or 0.0 for o in plain) + 8.0
    assert any(o.soil[0].missing == "unplugged" for o in day(7, "probe_disconnect"))
    assert any(o.leak for o in day(7, "leak"))


def test_an_own_scenario_can_be_hooked_in() -> None:
    def dark(readings: SyntheticReadings, since_h: float, strength: float) -> None:
        readings.values["light_lux"] = None
        readings.missing["light_lux"] = "crc"

    seen = day(7, SyntheticFault("dark", "light sensor fails", 10.0, 11.0, dark))
    lost = [o for o in seen if o.light_lux is None]
    assert len(lost) == 12 and {o.missing["light_lux"] for o in lost} == {"crc"}


def test_observations_match_observation_v1_schema() -> None:
    for name in SYNTHETIC_FAULTS:
        for observation in day(3, name, hours=24.0)[::7]:
            again = ObservationV1.model_validate_json(observation.to_json())
            assert again == observation
            assert observation.origin == "synthetic" and observation.ts.utcoffset() is not None
            assert [probe.id for probe in observation.soil] == ["P1", "P2"]


def test_a_silent_board_has_no_values_and_says_so() -> None:
    source = SyntheticSource(1, START, 24.0, 300.0, ["link_cut"], zone=SITE_ZONE)
    states = []
    while (observation := source.next_observation()) is not None:
        states.append((observation.air_temp_c is None, source.device_status().mcu_connected))
    assert states.count((True, False)) == 12 and states.count((False, True)) == len(states) - 12


@pytest.mark.parametrize("period_s", [10.0, 60.0, 600.0, 1_800.0])
def test_one_watering_a_day_at_any_cadence(period_s: float) -> None:
    source = SyntheticSource(1, START, 48.0, period_s, zone=SITE_ZONE)
    flows, pumping = [], 0
    while (observation := source.next_observation()) is not None:
        flows.append(observation.flow_ml)
        pumping += source.device_status().outputs.water_pump == "ON"
    assert flows[-1] == 800.0 and pumping == 2


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        SyntheticSource(1, datetime(2026, 1, 1), zone=SITE_ZONE)
    with pytest.raises(ValueError, match="unknown; known are calm"):
        SyntheticSource(1, datetime(2026, 1, 1, tzinfo=UTC), scenarios=["storm"], zone=SITE_ZONE)
    with pytest.raises(ValueError, match="positive"):
        SyntheticSource(1, START, period_s=0.0, zone=SITE_ZONE)


def test_its_faults_have_the_names_of_the_one_table() -> None:
    assert set(SYNTHETIC_FAULTS) - {CALM} < set(FAULTS)
    assert all(fault is None or fault.name == name for name, fault in SYNTHETIC_FAULTS.items())


def test_names_of_version_0_1_are_understood() -> None:
    for old, name in OLD_NAMES.items():
        assert old not in FAULTS and name in SYNTHETIC_FAULTS
        assert [o.to_json() for o in day(7, old)] == [o.to_json() for o in day(7, name)]
