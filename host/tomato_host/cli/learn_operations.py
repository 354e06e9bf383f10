"""`tomato-host learn observe|drill|demo|bench|profile`: watch the learning loop, exercise it, measure it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomato_host.cli.learn_options import DEFAULT_DATA, AsJson, Config, Data, show


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (observe, drill, demo, bench, profile):
        app.command()(command)


def observe(
    data: Data = DEFAULT_DATA,
    config: Config = None,
    rounds: Annotated[int, typer.Option(help="End after so many rounds of a second; 0 goes on.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read telemetry from the bus; serve /health and /metrics; store it in Elasticsearch when that is set."""
    import time
    from itertools import count

    from tomato_host.learn.bus.connect import open_bus
    from tomato_host.learn.keys import SigningKeys
    from tomato_host.learn.observability.observe import ObserveWorker
    from tomato_host.service.process_priority import lower_priority
    from tomato_host.settings import load_settings

    lower_priority()
    settings = load_settings(config).learn
    keys = SigningKeys.from_environment()
    worker = ObserveWorker(open_bus(settings.bus), settings, keys, data, lambda: time.time_ns() // 1_000_000)
    left = count()
    worker.serve(lambda: 0 < rounds <= next(left), lambda text: show({"text": text}, [text], as_json))
    show(worker.health(), [f"consumed {worker.consumer.counters.consumed} messages"], as_json)


def drill(
    name: Annotated[str | None, typer.Argument(help="isolation, timeout or compile; all without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Inject a fault, see its alert's condition come true and end, and the loop recover. Touches no data directory."""
    from dataclasses import asdict

    from tomato_host.learn.drills import DRILLS, run_drills
    from tomato_host.terminal.progress import progress

    if name is not None and name not in DRILLS:
        raise typer.BadParameter(f"{name} is none of {', '.join(DRILLS)}")
    with progress("drill", as_json):
        found = run_drills([name] if name else None)
    lines = []
    for one in found:
        lines.append(f"{one.name:10} {'passed' if one.passed else 'FAILED'}  alert {one.alert}")
        lines += [f"  {step}" for step in one.steps]
    show({"drills": [asdict(one) | {"passed": one.passed} for one in found]}, lines, as_json)
    raise typer.Exit(0 if all(one.passed for one in found) else 1)


def demo(
    report: Annotated[Path | None, typer.Option(help="Write the report here, as Markdown.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    seasons: Annotated[int, typer.Option(help="Modelled seasons of each phase.")] = 4,
    nights: Annotated[int, typer.Option(help="Nights of a season.")] = 150,
    rounds: Annotated[int, typer.Option(help="Rounds of offline training.")] = 32,
    as_json: AsJson = False,
) -> None:
    """Deploy a policy, adapt, train offline, redeploy, adapt again, without a hand (extra [learn])."""
    import tempfile
    from dataclasses import asdict

    from tomato_host.learn.demo import report_text, run_demo
    from tomato_host.learn.drills import run_drills
    from tomato_host.learn.profiling import as_rows, latencies
    from tomato_host.terminal.progress import progress

    def step(text: str) -> None:
        if not as_json:
            typer.echo(text)

    with tempfile.TemporaryDirectory(prefix="tomato-demo-") as folder, progress("demo", as_json):
        found = run_demo(Path(folder), seed, seasons, nights, max(rounds // 4, 1), rounds, step)
        rows, drills = as_rows(latencies()), run_drills()
    if report is not None:
        report.write_text(report_text(found, rows, drills), encoding="utf-8")
    passed = all(one.passed for one in drills)
    phases = (found.before, found.after)
    facts = asdict(found) | {"latencies": rows, "drills": {one.name: one.passed for one in drills}}
    lines = [
        *(f"policy {one.policy_version}: reward {one.reward:.2f}, {one.reports} reports" for one in phases),
        f"validation {'passed' if found.passed else 'failed: ' + '; '.join(found.failed)}",
        f"drills {'passed' if passed else 'FAILED'}; {found.seconds:.0f} s",
    ]
    show(facts, lines, as_json)
    raise typer.Exit(0 if passed else 1)


def bench(as_json: AsJson = False) -> None:
    """Latencies of the key operations against their budgets. Exit code 1 when one is over, by the processor's clock."""
    from tomato_host.learn.profiling import as_rows, latencies
    from tomato_host.terminal.progress import progress

    with progress("measuring", as_json):
        found = latencies()
    lines = [f"{'operation':22} {'p50':>9} {'p95':>9} {'cpu p95':>9} {'budget':>8}  ms"]
    for one in found:
        budget = f"{one.budget_ms:8.3g}" if one.budget_ms is not None else "       -"
        over = "" if one.within else "  OVER"
        lines.append(f"{one.name:22} {one.p50_ms:9.3f} {one.p95_ms:9.3f} {one.cpu_p95_ms:9.3f} {budget}{over}")
    show({"latencies": as_rows(found)}, lines, as_json)
    raise typer.Exit(0 if all(one.within for one in found) else 1)


def profile(
    trace: Annotated[Path | None, typer.Option(help="Write torch's timeline here (Chrome's format).")] = None,
    as_json: AsJson = False,
) -> None:
    """The latency report of `bench`, and where a network's epoch spends its time (torch's profiler, extra [learn])."""
    from tomato_host.learn.profiling import as_rows, latencies, torch_profile
    from tomato_host.terminal.progress import progress

    with progress("measuring", as_json):
        rows = as_rows(latencies(40))
        try:
            operators = torch_profile(trace=trace)
        except ImportError:
            operators = []
    lines = [f"{row['name']:22} p50 {row['p50_ms']:8.3f} ms, p95 {row['p95_ms']:8.3f} ms" for row in rows]
    lines += [f"{row['operator']:32} {row['calls']:6d} calls {row['self_ms']:9.3f} ms" for row in operators]
    show({"latencies": rows, "operators": operators}, lines if operators else [*lines, "no torch here"], as_json)
