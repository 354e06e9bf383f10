"""`tomato-host backtest`: accuracy and interval coverage of the forecast on recorded data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.worker_options import Jobs, Scheduler, TaskCounts
from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.backtest.report import BacktestReport
    from tomato_host.backtest.rolling import ScoredSeries
    from tomato_host.backtest.tables import BacktestCase
    from tomato_host.parallel.tasks import Workers
    from tomato_host.terminal.progress import Progress


def backtest(
    data: Annotated[str, typer.Argument(help="agc2, agc3, a CSV (gzipped or plain), or a dataset folder.")],
    horizons: Annotated[str, typer.Option(help="Hours ahead to report.")] = "1,6,12,24,36",
    mapping: Annotated[Path | None, typer.Option(help="TOML that names the columns of a CSV.")] = None,
    weather: Annotated[str, typer.Option(help="auto, none, or a CSV of the outside.")] = "auto",
    group: Annotated[str | None, typer.Option(help="Column that names the places in the CSV.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Only these, by comma: vpd_kpa, soil, air_temp_c ...")] = None,
    from_day: Annotated[int | None, typer.Option(help="First day that counts; default 45, or 44 % if short.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings; [site] timezone is that of a mapping without.")] = None,
    lightgbm: Annotated[bool, typer.Option(help="Beside LightGBM too, where the extra `bench` is installed.")] = True,
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
    plot: Annotated[Path | None, typer.Option(help="Write the reliability curve as SVG.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Plain figures for scripts.")] = False,
) -> None:
    """Rolling-origin backtest beside persistence, seasonal naive, climatology, ridge and LightGBM."""
    import json

    from tomato_host.backtest.baselines import baselines
    from tomato_host.backtest.report import reliability_svg, summarise
    from tomato_host.backtest.tables import load_cases
    from tomato_host.parallel.tasks import Workers
    from tomato_host.settings import load_settings
    from tomato_host.terminal.progress import progress

    hours, workers = _hours(horizons), Workers(jobs, scheduler)
    only = tuple(name.strip() for name in quantity.split(",")) if quantity else None
    with progress("backtest", json_out) as shown:
        shown.text("reading")
        cases = load_cases(data, mapping, weather, group, time_zone=load_settings(config).site.timezone)
        asked = {"horizons": hours, "baselines": baselines(lightgbm), "from_day": from_day, "only": only}
        judged = _scored(cases, asked, workers, shown)
    judged = [one for one in judged if one.counts.any(axis=0).all()]
    if not judged:
        raise TomatoError(
            "E-BACKTEST-SHORT",
            f"{data} is too short, or has no such quantity.",
            "Give more days, or an earlier --from-day.",
        )
    reports = summarise(judged, hours)
    if plot is not None:
        plot.write_text(reliability_svg(reports), encoding="utf-8")
    if json_out:
        weather_known = any(case.has_weather for case in cases)
        facts = {"data": data, "weather": weather_known, "reports": [r.as_json() for r in reports]}
        typer.echo(json.dumps(facts))
        return
    for report in reports:
        _show(report)


def _scored(cases: list[BacktestCase], asked: dict[str, Any], workers: Workers, shown: Progress) -> list[ScoredSeries]:
    """All series in the order of the cases, wherever and whenever they were scored."""
    from functools import partial

    from tomato_host.backtest.rolling import score_case
    from tomato_host.parallel.tasks import run_tasks

    detailed: dict[str, Any] = {"progress": shown.text} if workers.engine == "serial" else {}
    found: dict[int, list[ScoredSeries]] = {}
    counts = TaskCounts(shown, len(cases))
    for index, series, worker in run_tasks(partial(score_case, **asked, **detailed), cases, workers):
        found[index] = series
        counts.add(worker)
    return [one for index in sorted(found) for one in found[index]]


def _hours(text: str) -> tuple[int, ...]:
    try:
        hours = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        hours = ()
    if not hours or hours[0] < 1 or hours[-1] > 36:
        raise TomatoError(
            "E-BACKTEST-HORIZON",
            f"--horizons {text} is no list of hours from 1 to 36.",
            "Example: --horizons 1,6,12,24,36",
        )
    return hours


def _show(report: BacktestReport) -> None:
    from rich.console import Console
    from rich.text import Text

    from tomato_host.terminal.word_table import WordTable

    console = Console()
    columns = [f"{h} h" for h in report.horizons]
    title = f"{report.quantity}: mean absolute error, {report.origins} origins"
    table = WordTable(("model", *columns), title, framed=True, right=frozenset(columns))
    best = [min(row[j] for row in report.mae.values()) for j in range(len(report.horizons))]
    for name, row in report.mae.items():
        cells = [Text(f"{v:.3f}", style="bold" if v == best[j] else "") for j, v in enumerate(row)]
        table.add_row(name, *cells)
    table.add_row("80 % interval covers", *(f"{v:.1%}" for v in report.coverage))
    table.add_row("its width", *(f"{v:.3f}" for v in report.width))
    console.print(table)
