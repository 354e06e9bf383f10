"""`tomato-host campaign`: many simulated tents, faults and controllers, compared in one report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tomato_host.cli.completion_words import one_of
from tomato_host.cli.worker_options import Jobs, Scheduler, TaskCounts

if TYPE_CHECKING:
    from tomato_host.parallel.tasks import Workers

LADDER_PERIOD_S = 60.0

app = typer.Typer(help="Compare controllers over many simulated tents.")


@app.callback(invoke_without_command=True)
def campaign(
    context: typer.Context,
    days: Annotated[float, typer.Option(min=0.01, max=400.0, help="Length of each run.")] = 7.0,
    seeds: Annotated[str, typer.Option(help="One number, or first-last.")] = "0-3",
    scenarios: Annotated[str, typer.Option(help="all, or names with / between (faults of one by commas).")] = "",
    controllers: Annotated[
        str,
        typer.Option(
            help="rules, mpc, timer with commas between, or all.",
            autocompletion=one_of("rules", "mpc", "timer", "all"),
        ),
    ] = "rules",
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
    compare: Annotated[bool, typer.Option("--compare", help="All controllers, in calm and adverse weather.")] = False,
    period_s: Annotated[float, typer.Option(min=1.0, max=600.0, help="Seconds between observations.")] = 60.0,
    out: Annotated[Path, typer.Option(help="Folder for runs.parquet, report.md and day.svg.")] = Path("campaign"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue a stopped campaign.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of progress.")] = False,
) -> None:
    """Run a matrix of simulated runs and write a Parquet, a report and a chart.

    Finished runs are kept as they come: what was stopped goes on with --resume.
    """
    if context.invoked_subcommand is not None:
        return
    import json

    from tomato_host.errors import TomatoError
    from tomato_host.parallel.tasks import Workers
    from tomato_host.twin.campaign import compare as comparison
    from tomato_host.twin.campaign import matrix, report

    workers = Workers(jobs, scheduler)
    wanted = matrix.read_controllers("all" if compare else controllers)
    named = scenarios or (comparison.SCENARIOS if compare else "calm")
    todo = matrix.cells(wanted, matrix.read_scenarios(named), matrix.read_seeds(seeds), days, period_s)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TomatoError(
            "E-CAMPAIGN", f"Cannot make the folder {out}: {error.strerror}.", "Give another folder with --out."
        ) from error
    begun = time.monotonic()
    found, shares = _run_cells(todo, workers, out, resume, quiet=as_json)
    report.write_parquet([o.row for o in found], out / "runs.parquet")
    path = report.write_report(found, out)
    wall_s = time.monotonic() - begun
    broken = sum(1 for o in found if o.row["broken"])
    if as_json:
        facts = {
            "runs": len(found),
            "broken": broken,
            "wall_s": round(wall_s, 2),
            "report": str(path),
            "workers": shares,
        }
        typer.echo(json.dumps(facts))
    else:
        typer.echo(f"{len(found)} runs in {wall_s:.1f} s, {broken} with a violated safety limit; see {path}")


@app.command("explain")
def explain(
    tent: Annotated[str, typer.Option(help="Scenario and seed of one tent: calm:8.")],
    against: Annotated[str, typer.Option(help="The other controller.")] = "timer",
    controller: Annotated[str, typer.Option(help="The controller to explain.")] = "mpc",
    days: Annotated[float, typer.Option(min=0.05, max=60.0, help="Length of both runs.")] = 7.0,
    everything: Annotated[bool, typer.Option("--all", help="Every hour, not only those where stress differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every hour as one JSON document.")] = False,
) -> None:
    """Show one tent's hours under two controllers side by side, and what each term of the objective cost."""
    import json

    from tomato_host.terminal.progress import progress
    from tomato_host.twin.campaign import matrix
    from tomato_host.twin.campaign.hour_comparison import compare_hours, table

    scenario, seed = matrix.read_tent(tent)
    ours, theirs = (matrix.read_controllers(name)[0] for name in (controller, against))
    with progress(f"{scenario}:{seed} under both controllers", as_json) as shown:
        found = compare_hours(scenario, seed, (ours, theirs), days, shown.share)
    typer.echo(json.dumps(found.as_dict()) if as_json else "\n".join(table(found, everything)))


@app.command("ladder")
def ladder(
    days: Annotated[float, typer.Option(min=0.05, max=60.0, help="Length of each run.")] = 3.0,
    seeds: Annotated[str, typer.Option(help="One number, or first-last.")] = "0-2",
    scenarios: Annotated[str, typer.Option(help="all, or names with / between.")] = "",
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
) -> None:
    """Show what knowing is worth: timer, rules, planner with a learned model, with the twin's own, with its future."""
    import json

    from tomato_host.parallel.tasks import Workers, run_tasks
    from tomato_host.terminal.progress import progress
    from tomato_host.twin.campaign import ladder as rungs
    from tomato_host.twin.campaign import matrix

    workers = Workers(jobs, scheduler)
    todo = rungs.ladder_cells(
        matrix.read_scenarios(scenarios or rungs.SCENARIOS), matrix.read_seeds(seeds), days, LADDER_PERIOD_S
    )
    rows = {}
    with _stop_on_sigterm(resumes=False), progress("ladder", as_json, log_lines=True) as shown:
        counts = TaskCounts(shown, len(todo))
        for index, row, worker in run_tasks(rungs.climb, todo, workers):
            rows[index] = row
            counts.add(worker)
    ordered = [rows[index] for index in sorted(rows)]
    lines = rungs.ladder_lines(ordered)
    facts = {"days": days, "lines": rungs.ladder_json(lines), "runs": ordered}
    typer.echo(json.dumps(facts) if as_json else "\n".join(rungs.ladder_table(lines)))


def _run_cells(  # type: ignore[no-untyped-def]  # the twin's types are loaded with the command
    todo, workers: Workers, out: Path, resume: bool, quiet: bool
):
    """Outcomes in matrix order, whatever the order of completion, and runs by worker; each is stored when it comes."""
    from tomato_host.parallel.tasks import run_tasks
    from tomato_host.terminal.progress import progress
    from tomato_host.twin.campaign import matrix, results_store

    store = results_store.ResultsStore(out)
    found = store.begin(resume)
    left = [cell for cell in todo if cell not in found]
    with _stop_on_sigterm(), progress("campaign", quiet, log_lines=True) as shown:
        counts = TaskCounts(shown, len(todo), len(todo) - len(left))
        for index, outcome, worker in run_tasks(matrix.simulate, left, workers):
            found[left[index]] = outcome
            store.add(left[index], outcome)
            counts.add(worker)
    return [found[cell] for cell in todo], dict(counts.by_worker)


@contextmanager
def _stop_on_sigterm(resumes: bool = True) -> Iterator[None]:
    """A stop asked for by a service manager or a closed shell is handled like Ctrl-C, so no process is left behind."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        kept = "; what was finished is kept, --resume goes on from there" if resumes else ""
        typer.echo(f"stopped{kept}", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
