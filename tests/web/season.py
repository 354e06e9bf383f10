"""A season in the dataset before the host starts: 120 days of states, yesterday's forecast, and a photo in a folder."""

from __future__ import annotations

import json
import math
import random
from datetime import datetime, timedelta
from pathlib import Path

from tomato_host.storage.dataset import Dataset

from shared_schemas.records import RECORDS, parse_record

DAYS = 120
STEP = timedelta(minutes=30)


def fill(data_dir: Path, now: datetime) -> None:
    """Half-hourly states up to `now`, and a forecast made 25 h before it."""
    chance = random.Random(3)
    with Dataset.open(data_dir, fsync="never") as dataset:
        for n in range(DAYS * 48, 0, -1):
            dataset.append(parse_record(json.dumps(_state(now - n * STEP, chance))))
            if n == 50:
                dataset.append(parse_record(json.dumps(_forecast(now - n * STEP))))


def _air(moment: datetime) -> tuple[float, float]:
    """Temperature and vapour pressure deficit of a day and night."""
    sun = math.sin(2.0 * math.pi * (moment.hour + moment.minute / 60.0 - 9.0) / 24.0)
    return 22.0 + 3.0 * sun, 1.05 + 0.35 * sun


def _soil(moment: datetime) -> float:
    """Dries for two days and is watered on the third morning."""
    return 42.0 - (moment.timestamp() / 3_600.0 + 7.0) % 48.0 * 0.32


def _example(kind: str) -> dict:  # type: ignore[type-arg]
    return dict(json.loads((RECORDS[kind].__doc__ or "").split("Example:", 1)[1]))


def _state(moment: datetime, chance: random.Random) -> dict:  # type: ignore[type-arg]
    state = _example("state_v1")
    temp, vpd = _air(moment)
    state["ts"] = moment.isoformat()
    state["env"] |= {
        "air_temp_c": round(temp + chance.gauss(0.0, 0.2), 2),
        "rh_pct": round(62.0 + chance.gauss(0.0, 2.0), 1),
        "vpd_kpa": round(max(0.1, vpd + chance.gauss(0.0, 0.05)), 3),
    }
    for probe, offset in zip(state["soil"]["probes"], (0.0, 4.0), strict=True):
        probe["moisture_pct"] = round(_soil(moment) + offset + chance.gauss(0.0, 0.2), 2)
    return state


def _forecast(made: datetime) -> dict:  # type: ignore[type-arg]
    found = _example("prediction_36h_v1")
    found["ts"] = made.isoformat()
    first = made.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    found["hours"] = [_hour(first + timedelta(hours=n)) for n in range(36)]
    return found


def _hour(end: datetime) -> dict:  # type: ignore[type-arg]
    temp, vpd = _air(end - timedelta(minutes=30))
    water = _soil(end - timedelta(minutes=30)) + 2.0

    def band(mean: float, half: float) -> dict[str, float]:
        return {"mean": round(mean, 3), "p10": round(mean - half, 3), "p90": round(mean + half, 3)}

    return {
        "ts": end.isoformat(),
        "soil_pct": {"avg": band(water, 1.5)},
        "air_temp_c": band(temp + 0.4, 1.0),
        "rh_pct": band(60.0, 6.0),
        "vpd_kpa": band(vpd - 0.05, 0.15),
        "stress_risk": 0.1,
    }


def photograph(folder: Path) -> None:
    """A picture of leaves good enough for the gates of the measure; needs OpenCV."""
    import cv2
    import numpy as np

    chance = np.random.default_rng(5)
    picture = np.full((720, 960, 3), (96, 104, 112), np.uint8)
    picture = np.clip(picture + chance.normal(0.0, 9.0, picture.shape), 0, 255).astype(np.uint8)
    for _ in range(170):
        at = tuple(int(v) for v in chance.normal((480, 380), (130, 120)))
        size = (int(chance.integers(18, 54)), int(chance.integers(9, 22)))
        green = (int(chance.integers(20, 60)), int(chance.integers(95, 170)), int(chance.integers(30, 80)))
        cv2.ellipse(picture, at, size, float(chance.integers(0, 180)), 0, 360, green, -1, cv2.LINE_AA)
    for _ in range(7):
        at = tuple(int(v) for v in chance.normal((480, 420), (90, 80)))
        cv2.circle(picture, at, int(chance.integers(12, 22)), (40, 50, 205), -1, cv2.LINE_AA)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "leaves.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
