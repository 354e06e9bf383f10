"""`tomato-host forecast`: the next 36 hours from what was recorded, as a chart in the terminal or an SVG file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from shared_schemas.records import Forecast36hV1, Prediction36hV1
    from tomato_host.backtest.tables import BacktestCase
    from tomato_host.brain.world_model.data import HourlyLog
    from tomato_host.settings import Settings

_RECENT = timedelta(hours=3)
"""Records older than this are history: today's weather forecast does not apply to them."""


def forecast(
    data: Annotated[str, typer.Argument(help="The brain's data folder, a CSV, or agc2 / agc3.")] = "data",
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML that names the columns of a CSV.")] = None,
    weather: Annotated[bool, typer.Option(help="Ask the weather service, if the records are of today.")] = True,
    plot: Annotated[Path | None, typer.Option(help="Write the chart as SVG.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="The record as one JSON line.")] = False,
) -> None:
    """Forecast from the last recorded hour."""
    from tomato_host.backtest.tables import load_cases
    from tomato_host.models.chart import as_svg, in_terminal
    from tomato_host.settings import load_settings
    from tomato_host.terminal.progress import progress

    settings = load_settings(config)
    if not Path(data).exists() and "." not in data and data not in ("agc2", "agc3"):
        raise TomatoError(
            "E-FORECAST-NO-DATA",
            f"There is no {data} to forecast from.",
            "let `tomato-host run` record a day, or name a data folder or a CSV",
        )
    with progress("forecast", json_out):
        case = load_cases(data, mapping, time_zone=settings.site.timezone)[0]
        record, summary = _predicted(case, data, settings, weather)
    if plot is not None:
        plot.write_text(as_svg(record), encoding="utf-8")
    if json_out:
        typer.echo(record.to_json())
        return
    typer.echo(in_terminal(record))
    typer.echo(summary)


def _predicted(case: BacktestCase, data: str, settings: Settings, weather: bool) -> tuple[Prediction36hV1, str]:
    """The record, and one line on model and weather."""
    from tomato_host.brain.world_model.data import HISTORY_H, ModelShape
    from tomato_host.brain.world_model.hourly_history import hour_start, known_ahead
    from tomato_host.brain.world_model.model import WorldModel
    from tomato_host.models.store import ModelStore

    log, zone = _until_last_reading(case), ZoneInfo(settings.site.timezone)
    now = hour_start(log.start_hour + log.hours).astimezone(zone)
    outside: Forecast36hV1 | None = None
    summary, age_min = "No weather forecast was requested.", None
    if weather and datetime.now(UTC) - now < _RECENT:
        outside, summary, age_min = _weather(settings, Path(data), now)
    found = ModelStore(Path(data) / "models").load_active(settings.world_model) if Path(data).is_dir() else None
    model = found[1] if found else None
    if model is None or {q.name for q in model.shape.quantities} - set(log.values):
        model = WorldModel(
            ModelShape(case.quantities, case.plan, case.has_weather or outside is not None), settings.world_model
        )
        for end in range(log.hours % 24 or 24, log.hours + 1, 24):
            model.learn(log.window(end - HISTORY_H, end))
    recent = log.window(log.hours - HISTORY_H, log.hours)
    record = model.predict(now, recent, known_ahead(outside, (), now), age_min)
    return record, f"Model {record.model_version}, {model.days_learned} days learned. {summary}"


def _until_last_reading(case: BacktestCase) -> HourlyLog:
    """The log without the hours at its end in which nothing was measured."""
    import numpy as np

    known = np.any([np.isfinite(case.log.column(q.name)) for q in case.quantities], axis=0)
    return case.log.until(int(np.flatnonzero(known)[-1]) + 1) if known.any() else case.log


def _weather(settings: Settings, root: Path, now: datetime) -> tuple[Forecast36hV1 | None, str, float | None]:
    from tomato_host.weather.service import build_service

    site = settings.site
    cache = root / "cache" if root.is_dir() else Path.home() / ".cache" / "tomato-host"
    service = build_service(settings.weather, site.latitude_deg, site.longitude_deg, site.timezone, cache)
    answer = service.get(now)
    return answer.forecast, answer.text, answer.age_min
