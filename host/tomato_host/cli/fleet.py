"""`tomato-host fleet`: every node of a broker in one table; `fleet follow`: their messages one by one."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.service.bus.group import Delivery, GroupReader
    from tomato_host.service.bus.settings import BusSettings
    from tomato_host.service.bus.transport import Address
    from tomato_host.service.fleet.rows import FleetRow
    from tomato_host.terminal.word_table import WordTable

app = typer.Typer(invoke_without_command=True, help="All tents of one broker.")

Broker = typer.Option(None, "--broker", help="redis://host:6379/0, rediss://, mqtt://host:1883 or mqtts://.")
Config = typer.Option(None, "--config", help="TOML settings file; its [bus] names the broker.")


@app.callback()
def fleet(
    context: typer.Context,
    broker: str | None = Broker,
    config: Path | None = Config,
    watch: bool = typer.Option(False, "--watch", help="Again and again, until Ctrl-C."),
    every_s: float = typer.Option(2.0, "--every", min=0.5, max=3600.0, help="With --watch: seconds between looks."),
    stale_after_s: float | None = typer.Option(None, "--stale-after", min=1.0, help="Seconds of silence; default 35."),
    as_json: bool = typer.Option(False, "--json", help="For scripts; with --watch one line a look."),
) -> None:
    """Show every node: safe or not, mode, age, climate, driest soil, last action, alarms, what was dropped."""
    if context.invoked_subcommand is not None:
        return
    settings, address = where(broker, config)
    patience_s = stale_after_s or settings.stale_after_s
    _watch(settings, address, patience_s, every_s, as_json) if watch else _once(settings, address, patience_s, as_json)


@app.command()
def follow(
    group: str = typer.Option(..., "--group", help="Readers of one group share the work; each message goes to one."),
    name: str = typer.Option(..., "--name", help="This reader; two of a group must not share a name."),
    broker: str | None = Broker,
    config: Path | None = Config,
    run: str | None = typer.Option(None, "--run", help="Shell command that gets each message on standard input."),
    idle_s: float = typer.Option(60.0, "--idle", min=0.5, help="After so long a dead reader's work goes to another."),
    only_alarms: bool = typer.Option(False, "--alarms", help="Nothing but alarms."),
    most: int | None = typer.Option(None, "--most", min=1, help="End after so many messages."),
) -> None:
    """Print the messages of all nodes, alarms first, one JSON object a line.

    A message is acknowledged when it is printed or, with --run, when the command ends with 0.
    """
    from tomato_host.service.bus.message import Priority
    from tomato_host.service.bus.transport import Backoff, require_extra

    settings, address = where(broker, config)
    if not address.is_redis:
        raise TomatoError(
            "E-BUS-GROUPS",
            "MQTT has no groups with acknowledgement and claims.",
            "use Redis, or subscribe to tomato/+/alarm with any MQTT client",
        )
    require_extra(address)
    from tomato_host.service.bus.group import BATCH, GroupReader
    from tomato_host.service.bus.redis_transport import open_redis

    client = open_redis(address, password_of(settings), 10.0)
    priorities = (Priority.ALARM,) if only_alarms else tuple(Priority)
    # With --most the messages are taken one by one, so that none stays delivered but unprocessed.
    reader = GroupReader(client, group, name, idle_s=idle_s, priorities=priorities, batch=BATCH if most is None else 1)
    backoff, done = Backoff(), 0
    while most is None or done < most:
        try:
            for delivery in reader.read(2.0):
                done += _handle(reader, delivery, run, idle_s) if most is None or done < most else 0
            backoff.reset()
        except TomatoError as error:
            typer.echo(f"tomato-host: {error}", err=True)
            time.sleep(backoff.next_s())


@app.command()
def forget(
    node: str = typer.Argument(help="Its name, as in the table."),
    broker: str | None = Broker,
    config: Path | None = Config,
) -> None:
    """Remove a node from the table. One that still publishes comes back by itself."""
    from tomato_host.service.fleet.read import forget_node

    settings, address = where(broker, config)
    forget_node(address, password_of(settings), node)
    typer.echo(f"{node} is removed.")


def where(broker: str | None, config: Path | None) -> tuple[BusSettings, Address]:
    """The broker of --broker or the settings. Raises TomatoError E-BUS-NO-BROKER, E-BUS-URL, E-CONFIG-*."""
    from tomato_host.service.bus.transport import parse_address
    from tomato_host.settings import load_settings

    settings = load_settings(config).bus
    if broker is None and not settings.enabled:
        raise TomatoError(
            "E-BUS-NO-BROKER",
            "No broker is named, so there is no fleet to show.",
            "give --broker redis://host:6379 (or mqtt://host), or --config with [bus] enabled = true",
        )
    return settings, parse_address(broker or settings.url)


def password_of(settings: BusSettings) -> str | None:
    """From the environment only."""
    return os.environ.get(settings.password_from) or None


def _rows(settings: BusSettings, address: Address, stale_after_s: float) -> list[FleetRow]:
    from tomato_host.service.fleet.read import read_fleet
    from tomato_host.service.fleet.rows import rows_of

    return rows_of(read_fleet(address, password_of(settings)), stale_after_s)


def _once(settings: BusSettings, address: Address, stale_after_s: float, as_json: bool) -> None:
    rows = _rows(settings, address, stale_after_s)
    if as_json:
        typer.echo(json.dumps([row.to_json() for row in rows]))
    elif not rows:
        typer.echo(f"{address} answers; no node has published yet. On each: [bus] enabled = true (docs/fleet.md).")
    else:
        from rich.console import Console

        Console().print(table(rows, str(address)))


def _watch(settings: BusSettings, address: Address, stale_after_s: float, every_s: float, as_json: bool) -> None:
    """A broker that goes away is reported, and retried."""
    from rich.console import Console
    from rich.live import Live

    if as_json:
        while True:
            typer.echo(json.dumps([row.to_json() for row in _rows(settings, address, stale_after_s)]))
            time.sleep(every_s)
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            try:
                live.update(table(_rows(settings, address, stale_after_s), str(address)), refresh=True)
            except TomatoError as error:
                live.update(str(error), refresh=True)
            time.sleep(every_s)


COLOURS = {"bad": "red", "stale": "magenta", "watch": "yellow", "well": "green"}
SAFE = {True: "yes", False: "NO", None: "?"}


COLUMNS = (
    "node",
    "safe?",
    "mode",
    "heard",
    "air °C",
    "RH %",
    "VPD kPa",
    "driest soil",
    "last action",
    "alarms",
    "dropped",
)


def table(rows: list[FleetRow], title: str) -> WordTable:
    """The rows for a terminal; what nodes published is shown as text, never as markup."""
    from rich.text import Text

    from tomato_host.terminal.word_table import WordTable

    out = WordTable(COLUMNS, title, first=4, framed=True)
    for row in rows:
        out.add_row(*(Text(cell, style=COLOURS[row.level] if at < 2 else "") for at, cell in enumerate(_cells(row))))
    return out


def _cells(row: FleetRow) -> list[str]:
    from tomato_host.service.fleet.rows import age_text

    done = row.last_action
    last = f"{done['type']} {done['text']} {done['ts'][11:16]}" if done else "–"
    soil = f"{row.driest_probe} {row.driest_pct:.1f} %" if row.driest_pct is not None else "–"
    age = "never" if row.age_s is None else f"{age_text(row.age_s)} ago"
    safe = SAFE[row.safe] if row.level != "stale" else "? stale"
    return [
        row.node,
        safe,
        row.mode,
        age,
        _number(row.air_temp_c, 1),
        _number(row.rh_pct, 0),
        _number(row.vpd_kpa, 2),
        soil,
        last,
        ", ".join(row.alarms) or ("–" if row.level != "bad" else row.verdict),
        str(row.dropped),
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _handle(reader: GroupReader, delivery: Delivery, run: str | None, idle_s: float) -> int:
    """Do the work, then acknowledge; 1 when it is done, 0 when it is left for another try."""
    if run is None:
        typer.echo(delivery.text.decode(errors="replace"))
    elif _work(reader, delivery, run, idle_s) != 0:
        return 0
    reader.acknowledge(delivery)
    return 1


def _work(reader: GroupReader, delivery: Delivery, run: str, idle_s: float) -> int:
    """The exit code of the command; while it works the message is not claimed by another reader."""
    environment: dict[str, Any] = {**os.environ, "TOMATO_TOPIC": delivery.topic}
    with subprocess.Popen(run, shell=True, stdin=subprocess.PIPE, env=environment) as process:
        text: bytes | None = delivery.text
        while True:
            try:
                process.communicate(text, timeout=idle_s / 3.0)
                return process.returncode
            except subprocess.TimeoutExpired:
                text = None
                reader.extend(delivery)
