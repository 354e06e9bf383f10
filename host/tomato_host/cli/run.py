"""`tomato-host run`: run the brain on a board or on the virtual board, until it is stopped."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import typer

from tomato_host.errors import TomatoError


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
    setup_port: int | None = typer.Option(
        None, "--setup-port", min=1, max=65_535, help="First run: the port of the set-up pages; default 8421."
    ),
) -> None:
    """Read, estimate, forecast, plan, guard, act, record. Ctrl-C ends it safely."""
    from tomato_host.app import RESTART, TRIAL, run_host
    from tomato_host.run_options import RunOptions
    from tomato_host.settings_file import FILE

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
        setup_port=setup_port,
    )
    try:
        code = run_host(options)
    except TomatoError as error:
        _go_back(error)
        raise
    if code == RESTART:
        os.environ[TRIAL] = str(config or data_dir / FILE)
        _start_anew()
    raise typer.Exit(code)


def _go_back(error: TomatoError) -> None:
    """After a restart with new settings that the host cannot start with: the former ones, and start again."""
    from tomato_host.app import REFUSED, TRIAL
    from tomato_host.settings_file import restore_backup

    trial = os.environ.pop(TRIAL, "")
    if trial and restore_backup(Path(trial)):
        print(f"tomato-host: {error}; going back to the former settings", file=sys.stderr)
        os.environ[REFUSED] = str(error)
        _start_anew()


def _start_anew() -> None:
    """Replace this process by a new one with the same arguments: same process id, so systemd sees no end."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "tomato_host", *sys.argv[1:]])
