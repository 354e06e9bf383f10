"""`tomato-host demo`: two weeks of a tent's life in half a minute, then the virtual board with the dashboard at 60x."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

LIVE_SCALE = 60.0
"""An hour of the tent in a minute: doses, fans and the lamp can be watched."""
OWNER = "demo"
"""Name of the token of whoever started the demo; each start makes it anew."""
AHEAD = timedelta(days=14)
"""The records end so long before now, so that what is lived at 60x stays in the past for five hours and a half."""


def demo(
    data_dir: Path = typer.Option(Path("demo"), "--data-dir", help="Where the records go; an earlier demo goes on."),
    days: float = typer.Option(14.0, "--days", min=0.1, max=400.0, help="Days to make before it goes live."),
    seed: int = typer.Option(7, "--seed", min=0, help="The same seed gives the same tent."),
    time_scale: float = typer.Option(LIVE_SCALE, "--time-scale", min=0.1, help="Tent seconds per second when live."),
    config: Path | None = typer.Option(None, "--config", help="TOML settings file; see docs/configuration.md."),
    live: bool = typer.Option(True, "--live/--no-live", help="Go on with the virtual board and the dashboard."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON line when the days are made."),
) -> None:
    """Make two weeks of records, then run the virtual board with the dashboard. Ctrl-C ends it; nothing is real."""
    import json
    import time

    from tomato_host.settings import load_settings

    settings = load_settings(config)
    begun = time.monotonic()
    end = _newest(data_dir)
    made = end is None
    if end is None:
        end = _make(data_dir, config, days, seed, quiet=as_json)
    figures = {"data_dir": str(data_dir), "days": days if made else 0.0, "until": end.isoformat()}
    wall_s = round(time.monotonic() - begun, 1)
    if as_json:
        typer.echo(json.dumps({**figures, "wall_s": wall_s}))
    else:
        typer.echo(
            f"{days:g} days in {data_dir}, made in {wall_s:g} s." if made else f"The demo in {data_dir} goes on."
        )
    if not live:
        return
    if not as_json and settings.service.enabled:
        typer.echo(_where(data_dir, f"http://{settings.service.host}:{settings.service.port}"))
    raise typer.Exit(_go_live(data_dir, config, end, seed, time_scale))


def _where(data_dir: Path, url: str) -> str:
    """Where to look. At a terminal the address signs its reader in: the part behind # never leaves the browser."""
    from tomato_host.service.tokens import TokenFile

    hint = "An hour passes in a minute; Control has a menu of faults. Ctrl-C ends it."
    if not sys.stdout.isatty():
        return f"Look at {url}. {hint}"
    tokens = TokenFile(data_dir)
    if any(one.name == OWNER for one in tokens.all()):
        tokens.revoke(OWNER)
    return f"Look at {url}/#overview:{tokens.create(OWNER, 'admin')}\n{hint}"


def _newest(data_dir: Path) -> datetime | None:
    """The moment of the newest state of an earlier demo; None for a new directory.

    Raises TomatoError E-DEMO-DIR where something else lives in it.
    """
    from tomato_host.errors import TomatoError
    from tomato_host.service.history import lines_of

    if not data_dir.exists() or not any(data_dir.iterdir()):
        return None
    states = list(lines_of(data_dir, "states", 200_000))
    if not states:
        raise TomatoError(
            "E-DEMO-DIR",
            f"{data_dir} is not empty and holds no demo.",
            "name an empty or new directory with --data-dir",
        )
    return datetime.fromisoformat(states[-1]["ts"])


def _make(data_dir: Path, config: Path | None, days: float, seed: int, *, quiet: bool) -> datetime:
    from tomato_host.app import brain_settings, recorded_settings
    from tomato_host.settings import load_settings
    from tomato_host.storage.dataset import Dataset
    from tomato_host.terminal.progress import progress
    from tomato_host.twin.demo_history import DemoPlan, make_history

    settings = load_settings(config)
    end = (datetime.now(UTC) - AHEAD).replace(minute=0, second=0, microsecond=0)
    plan = DemoPlan(end - timedelta(days=days), days, seed)
    about = {"board": "sim", "seed": seed, "settings": recorded_settings(settings)}
    with (
        Dataset.open(data_dir, fsync="never", about=about) as dataset,
        progress(f"{days:g} days of a tent", quiet) as shown,
    ):
        return make_history(plan, dataset, brain_settings(settings), shown.share)


def _go_live(data_dir: Path, config: Path | None, start: datetime, seed: int, time_scale: float) -> int:
    from tomato_host.app import run_host
    from tomato_host.run_options import RunOptions

    options = RunOptions(
        board="sim",
        config=config,
        data_dir=data_dir,
        time_scale=time_scale,
        seed=seed,
        start=start.astimezone(UTC) + timedelta(seconds=60),
        fault_menu=True,
    )
    return run_host(options)
