"""`tomato-host campaign`: many simulated tents, faults and controllers, compared in one report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def campaign(
    days: Annotated[float, typer.Option(min=0.01, max=400.0, help="Length of each run.")] = 7.0,
    seeds: Annotated[str, typer.Option(help="One number, or first-last.")] = "0-3",
    scenarios: Annotated[str, typer.Option(help="all, or names with / between (faults of one by commas).")] = "",
    controllers: Annotated[str, typer.Option(help="rules, mpc, timer with commas between, or all.")] = "rules",
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, max=256, help="Processes.")] = 1,
    compare: Annotated[bool, typer.Option("--compare", help="All controllers, in calm and adverse weather.")] = False,
    period_s: Annotated[float, typer.Option(min=1.0, max=600.0, help="Seconds between observations.")] = 60.0,
    out: Annotated[Path, typer.Option(help="Folder for runs.parquet, report.md and day.svg.")] = Path("campaign"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of progress.")] = False,
) -> None:
    """Live a matrix of simulated runs and write a Parquet, a report and a chart."""
    import json
    import time

    from tomato_host.errors import TomatoError
    from tomato_host.twin.campaign import compare as comparison
    from tomato_host.twin.campaign import matrix, report

    wanted = matrix.read_controllers("all" if compare else controllers)
    named = scenarios or (comparison.SCENARIOS if compare else "calm")
    todo = matrix.cells(wanted, matrix.read_scenarios(named), matrix.read_seeds(seeds), days, period_s)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TomatoError("E-CAMPAIGN", f"Cannot make the folder {out}: {error.strerror}.",
                          "Give another folder with --out.") from error
    begun = time.monotonic()
    found = _with_progress(todo, jobs, quiet=as_json)
    report.write_parquet([o.row for o in found], out / "runs.parquet")
    path = report.write_report(found, out)
    wall_s = time.monotonic() - begun
    broken = sum(1 for o in found if o.row["broken"])
    if as_json:
        typer.echo(json.dumps({"runs": len(found), "broken": broken, "wall_s": round(wall_s, 2), "report": str(path)}))
    else:
        typer.echo(f"{len(found)} runs in {wall_s:.1f} s, {broken} with a broken promise; see {path}")


def _with_progress(todo: list, jobs: int, quiet: bool) -> list:  # type: ignore[type-arg]  # help must not import twin
    """Outcomes in matrix order, whatever the order in which they came."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tomato_host.twin.campaign import matrix

    found: dict[int, matrix.Outcome] = {}
    columns = (TextColumn("campaign"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[last]}"))
    with Progress(*columns, disable=quiet) as progress:
        task = progress.add_task("runs", total=len(todo), last="")
        for index, outcome in matrix.run(todo, jobs):
            found[index] = outcome
            cell = todo[index]
            progress.update(task, advance=1, last=f"{cell.controller} {cell.scenario} seed {cell.seed}")
    return [found[index] for index in sorted(found)]
