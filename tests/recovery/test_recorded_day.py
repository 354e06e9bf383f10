"""Today's totals do not begin anew with a process: water, light, CO2, and what is summed up from the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.app import brain_settings, recorded_settings, run_host
from tomato_host.recovery.recorded_day import read_recorded_day
from tomato_host.replay.check import Checker
from tomato_host.run_options import RunOptions
from tomato_host.service.history import History
from tomato_host.settings import load_settings
from tomato_host.sources.day_meters import GasMeter, RecordedDay, WaterMeter
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify
from tomato_host.twin.demo_history import DemoPlan, make_history

from shared_schemas.devices import LAMP
from shared_schemas.records import DeviceStatusV1, EventV1, StateV1

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DAY = RecordedDay(NOON, water_ml=300.0, flow_ml=5_000.0, boot_id=4, co2_s=60.0)


def meter(boot_id: int, *readings: tuple[float, datetime]) -> float:
    made = WaterMeter()
    made.resume(DAY)
    made.seed(900.0)
    made.on_boot(boot_id)
    for flow_ml, moment in readings:
        made.update(flow_ml, moment)
    return made.used_ml


def test_the_water_of_today_goes_on() -> None:
    """The board's 24 hours, which bound it where nothing is recorded, are not taken for today's."""
    later, tomorrow = NOON + timedelta(hours=1), NOON + timedelta(days=1)
    assert meter(4, (5_050.0, later)) == 350.0, "the pump ran on while no host was there"
    assert meter(5, (20.0, later)) == 320.0, "the meter began anew with the board"
    assert meter(4, (0.0, later), (30.0, later)) == 330.0, "another board with the same number"
    assert meter(4, (5_050.0, tomorrow)) == 50.0, "at most what has flowed since"
    fresh = WaterMeter()
    fresh.seed(900.0)
    assert fresh.used_ml == 900.0


def test_the_gas_of_today_goes_on_where_the_board_does_not_know_it() -> None:
    def used(*counted: float, today: datetime = NOON) -> float:
        made = GasMeter()
        made.resume(DAY)
        for one in counted:
            made.update(one)
        return made.used_s(today.date)

    assert used(0.0) == 60.0 and used(0.0, 30.0) == 90.0, "its count was lost"
    assert used(200.0) == 200.0 and used(200.0, 10.0) == 10.0, "it knows its last 24 hours"
    assert used(0.0, 30.0, today=NOON + timedelta(days=1)) == 30.0


def test_a_dataset_without_observations_has_no_day(tmp_path: Path) -> None:
    assert read_recorded_day(tmp_path) is None


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A day and a half made as the demo makes it, then half an hour of a host on it; and when that began."""
    place = tmp_path_factory.mktemp("continued")
    config = place / "tomato.toml"
    config.write_text("[service]\nenabled = false\n[weather]\nprovider = 'none'\nfallback = 'none'\n")
    settings = load_settings(config)
    data = place / "data"
    with Dataset.open(data, fsync="never", about={"settings": recorded_settings(settings)}) as dataset:
        midnight = datetime(2026, 6, 1, tzinfo=settings.site.zone)
        end = make_history(DemoPlan(midnight.astimezone(UTC), 1.6, 7), dataset, brain_settings(settings))
    options = RunOptions(
        board="sim", config=config, data_dir=data, time_scale=7_200.0, duration_hours=0.5, seed=7,
        start=end + timedelta(seconds=60), as_json=True,
    )  # fmt: skip
    assert run_host(options) == 0
    return data, end


def test_a_host_on_an_existing_dataset_goes_on_with_the_day(continued: tuple[Path, datetime]) -> None:
    data, end = continued
    records = list(read_records(data))
    before, after = [r for r in records if r.ts <= end], [r for r in records if r.ts > end]
    given = [r.water_ml_used_today for r in before if isinstance(r, DeviceStatusV1)][-1]
    assert given > 100.0, "the morning had water"
    water = [r.water_ml_used_today for r in after if isinstance(r, DeviceStatusV1)]
    assert min(water) >= given
    light = [r.env.dli_mol_m2 or 0.0 for r in before if isinstance(r, StateV1)][-1]
    integral = [r.env.dli_mol_m2 or 0.0 for r in after if isinstance(r, StateV1)]
    assert light > 1.0 and light <= min(integral) <= max(integral) < 1.5 * light
    started = [r for r in after if isinstance(r, EventV1) and r.name == "started"]
    assert started[0].data["resumed"], "the guardrails' ledger goes on, too"


def test_what_went_on_is_verified_and_repeated(continued: tuple[Path, datetime]) -> None:
    data, _ = continued
    assert not verify(data).problems
    checked = Checker(brain_settings(load_settings(data.parent / "tomato.toml"))).check(read_records(data))
    assert checked.same, checked.differences[:5]


def test_energy_and_light_hours_are_those_of_both_processes(continued: tuple[Path, datetime]) -> None:
    data, _ = continued
    history = History(data)
    history.load()
    day = history.days()[-1]
    assert day["light_h"] > 5.0 and day["energy_kwh"] > 0.2 and day["water_ml"] > 100.0
    assert day["strokes"][LAMP.name] >= 1
