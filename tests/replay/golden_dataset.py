"""A dataset recorded by version 0.1, as it was: five hours of the virtual board in New York, with faults."""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "golden" / "dataset_0_1.tar.xz"


def unpack(folder: Path) -> Path:
    """Unpack a copy into `folder`; returns its root.

    Made with 0.1.0 by `tomato-host run --board sim --time-scale 0 --seed 5 --start 2026-05-01T06:00
    --duration-hours 5 --scenario "heatwave@0.5+2,sensor_dropout@1+0.5,link_cut@2.6+0.2,brownout@3.1+0.1,pump_clog@3"`
    with all three keys of the time zone at America/New_York, light_start_local_h = 2.0, telemetry_period_s = 30.0,
    light_s_per_day = 10000 and humidifier_s_per_day = 2000.
    """
    with tarfile.open(ARCHIVE, "r:xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "dataset_0_1"
