"""`tomato-host run`: run the brain on a board or on the virtual board, until it is stopped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import typer


def run(
    board: str = typer.Option(None, "--board", help="`sim`, a device path, socket://host:port or rfc2217://host:port."),
    config: Path | None = typer.Option(None, "--config", help="TOML settings file; see docs/configuration.md."),
    data_dir: Path = typer.Option(Path("data"), "--data-dir", help="Where the records go."),
    time_scale: float = typer.Option(
        1.0, "--time-scale", min=0.0, help="Virtual board only: simulated seconds per second; 0 = as fast as possible."
    ),
    duration_hours: float | None = typer.Option(
        None, "--duration-hours", min=0.0, help="Stop after this much (simulated) time; default: never."
    ),
    seed: int = typer.Option(0, "--seed", min=0, help="Virtual board only: same seed, same bytes."),
    scenario: str = typer.Option("", "--scenario", help="Virtual board only: faults by name, e.g. pump_clog."),
    start: datetime | None = typer.Option(None, "--start", help="Virtual board in lock step: simulated start, UTC."),
    as_json: bool = typer.Option(False, "--json", help="Show no status; print one JSON line at the end."),
) -> None:
    """Read, estimate, forecast, plan, guard, act, record. Ctrl-C ends it safely."""
    from tomato_host.app import RunOptions, run_host

    options = RunOptions(
        board=board,
        config=config,
        data_dir=data_dir,
        time_scale=time_scale,
        duration_hours=duration_hours,
        seed=seed,
        scenario=scenario,
        start=start,
        as_json=as_json,
    )
    raise typer.Exit(run_host(options))
