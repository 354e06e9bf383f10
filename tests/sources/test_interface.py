"""Every source keeps the same promises: valid records, time that grows, None for ever at the end, a device status."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.importing.mapping import TableMapping
from tomato_host.sources.interface import Source
from tomato_host.sources.measured import MeasuredSource
from tomato_host.sources.replay import ReplaySource
from tomato_host.sources.synthetic import SyntheticSource

from shared_schemas.records import DeviceStatusV1, ObservationV1
from tests.sources.conftest import START

SITE_ZONE = ZoneInfo("Europe/Vienna")


def synthetic(folder: Path) -> Source:
    return SyntheticSource(1, START, duration_h=2.0, period_s=600.0, zone=SITE_ZONE)


def replay(folder: Path) -> Source:
    path = folder / "recorded.jsonl"
    source, lines = synthetic(folder), []
    while (observation := source.next_observation()) is not None:
        lines += [source.device_status().to_json(), observation.to_json()]
    path.write_text("\n".join(lines) + "\n")
    return ReplaySource.from_file(path)


def measured(folder: Path) -> Source:
    path = folder / "table.csv"
    rows = "".join(f"2026-02-14 {hour:02d}:00,{20 + hour},60\n" for hour in range(12))
    path.write_text("when,temp,humidity\n" + rows)
    mapping = TableMapping.model_validate(
        {
            "name": "own",
            "time_column": "when",
            "time_zone": "Europe/Vienna",
            "columns": {"air_temp_c": "temp", "rh_pct": "humidity"},
        }
    )
    return MeasuredSource(path, mapping)


@pytest.mark.parametrize("make", [synthetic, replay, measured])
def test_sources_implement_next_observation_contract(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = make(tmp_path)
    assert isinstance(source, Source)
    before = source.device_status()
    assert isinstance(before, DeviceStatusV1)
    seen: list[ObservationV1] = []
    while (observation := source.next_observation()) is not None:
        assert isinstance(observation, ObservationV1)
        assert ObservationV1.from_json(observation.to_json()) == observation
        status = source.device_status()
        assert status.ts <= observation.ts or status.ts == before.ts
        seen.append(observation)
    assert len(seen) == 12
    assert all(a.ts < b.ts for a, b in itertools.pairwise(seen))
    assert [source.next_observation() for _ in range(3)] == [None, None, None]
    for name in source.lacking:
        assert all(observation.missing.get(name) == "not_measured" for observation in seen if name != "soil")
