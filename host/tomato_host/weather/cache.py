"""The last forecast of each place on disk, for a restart and for hours without a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared_schemas.records.forecast_36h_v1 import Forecast36hV1
from tomato_host.atomic_file import replace_file


@dataclass(frozen=True)
class ForecastCache:
    """One small file per place. A damaged file counts as none."""

    folder: Path
    keep: timedelta = timedelta(hours=24)

    def read(self, latitude_deg: float, longitude_deg: float, now: datetime) -> Forecast36hV1 | None:
        """The cached forecast, unless it is older than `keep`, from the future, or unreadable."""
        try:
            cached = Forecast36hV1.from_json(self._path(latitude_deg, longitude_deg).read_bytes())
        except (OSError, ValueError):
            return None
        age = now - cached.fetched_ts
        return cached if timedelta(minutes=-2) <= age <= self.keep else None

    def write(self, latitude_deg: float, longitude_deg: float, forecast: Forecast36hV1) -> None:
        """Replace the cached forecast in one step. On a full disk the cache is lost and nothing else."""
        path = self._path(latitude_deg, longitude_deg)
        try:
            replace_file(path, forecast.to_json().encode(), durable=False, parents=True)
        except OSError:
            return

    def _path(self, latitude_deg: float, longitude_deg: float) -> Path:
        # Two decimals are about a kilometre: enough for a forecast, too little for an address.
        return self.folder / f"forecast_{latitude_deg:.2f}_{longitude_deg:.2f}.json"
