"""`tomato-host watch`: the live panel of a host that runs elsewhere, under systemd for example."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    import httpx

EVERY_S = 0.5
DAY_EVERY_S = 60.0
TIMEOUT_S = 5.0


def watch(
    url: Annotated[str, typer.Option("--url", help="Where the host's dashboard is.")] = "http://127.0.0.1:8421",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="A file with a token, if reading needs one; else TOMATO_TOKEN."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long; 0: until Ctrl-C.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines for scripts.")] = False,
) -> None:
    """Each value with target, trend and last day, outputs and last actions of a running host, twice a second."""
    import httpx

    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=_headers(token_file)) as client:
        answers = _answers(client, url, seconds)
        if as_json or not sys.stdout.isatty():
            _print_lines(answers, as_json)
        else:
            _draw(answers)


def _headers(token_file: Path | None) -> dict[str, str]:
    from tomato_host.cli.mcp import TOKEN_VARIABLE, read_token

    if token_file is None and not os.environ.get(TOKEN_VARIABLE):
        return {}
    return {"Authorization": f"Bearer {read_token(token_file)}"}


def _answers(client: httpx.Client, url: str, seconds: float) -> Iterator[tuple[dict[str, Any], dict[str, Any]] | str]:
    """Twice a second what the first screen shows, and the day's columns; a text while the host does not answer.

    Raises TomatoError E-WATCH when it has not answered at all, or refuses.
    """
    end_s = time.monotonic() + seconds if seconds else float("inf")
    day: dict[str, Any] = {}
    day_s, begun = -DAY_EVERY_S, False
    while True:
        now_s = time.monotonic()
        try:
            if now_s - day_s >= DAY_EVERY_S:
                day, day_s = _read(client, "/api/history?span=24h"), now_s
            yield _read(client, "/api/glance"), day
            begun = True
        except TomatoError as error:
            if not begun:
                raise
            yield str(error)
        if time.monotonic() + EVERY_S > end_s:
            return
        time.sleep(max(0.0, now_s + EVERY_S - time.monotonic()))


def _read(client: httpx.Client, path: str) -> dict[str, Any]:
    import httpx

    try:
        answer = client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except httpx.HTTPStatusError as error:
        raise TomatoError(
            "E-WATCH",
            f"{client.base_url} refuses to show its values: HTTP {error.response.status_code}.",
            "set TOMATO_TOKEN or --token-file; `tomato-host token create NAME --role read`",
        ) from None
    except (httpx.HTTPError, ValueError) as error:
        raise TomatoError(
            "E-WATCH", f"No host answers on {client.base_url} ({error}).", "start it, or name its address with --url"
        ) from None
    return found


def _print_lines(answers: Iterator[tuple[dict[str, Any], dict[str, Any]] | str], as_json: bool) -> None:
    """For pipes: a line each time, as JSON or as `run` prints it into a log."""
    from tomato_host.terminal.quantities import present_values, rows_of
    from tomato_host.terminal.remote_status import parse_glance
    from tomato_host.terminal.status_lines import one_line

    for found in answers:
        if isinstance(found, str):
            typer.echo(json.dumps({"error": found}) if as_json else found)
            continue
        status, live = parse_glance(found[0])
        rows = rows_of(present_values(status, live), found[1])
        if as_json:
            values = [{**row._asdict(), "is_out": row.is_out} for row in rows]
            facts = {"ts": live["ts"], "mode": status.mode, "link": status.link, "live": live, "values": values}
            typer.echo(json.dumps(facts))
        else:
            typer.echo(one_line(status, live))


def _draw(answers: Iterator[tuple[dict[str, Any], dict[str, Any]] | str]) -> None:
    from datetime import datetime

    from rich.console import Console
    from rich.live import Live

    from tomato_host.terminal.panel import render
    from tomato_host.terminal.remote_status import parse_glance

    own_zone = datetime.now().astimezone().tzinfo
    assert own_zone is not None
    with Live(console=Console(), auto_refresh=False) as shown:
        for found in answers:
            if isinstance(found, str):
                shown.update(found, refresh=True)
            else:
                status, live = parse_glance(found[0])
                seen = status.observation  # its time has the offset of the tent, which may be elsewhere
                zone = own_zone if seen is None or seen.ts.tzinfo is None else seen.ts.tzinfo
                shown.update(render(status, zone, found[1], live), refresh=True)
