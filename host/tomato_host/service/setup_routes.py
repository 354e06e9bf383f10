"""Routes of the set-up pages: read the settings, check and save changes, restart, ports, a test notification.

The work is done by the command line (`tomato-host settings ...`) in a process of its own: it is the same loader and the
same writer, and this process stays small.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from tomato_host.commands.inbox import Reply, new_request, submit, wait_reply
from tomato_host.service.change_routes import REFUSALS, RequestBody
from tomato_host.service.idempotent_requests import REPEATABLE
from tomato_host.service.installation import Installation
from tomato_host.service.security import AccessControl

Json = dict[str, Any]
PATIENCE_S = 30.0
"""For one command: a slow machine needs seconds to start Python; a test notification waits for the network."""
RESTART_S = 5.0
_ONE_AT_A_TIME = asyncio.Semaphore(1)
CHANGEABLE = (
    "site.",
    "tent.",
    "control.",
    "budgets.",
    "board.url",
    "weather.provider",
    "notify.enabled",
    "notify.push",
    "notify.quiet_from",
    "notify.quiet_to",
)
"""Keys, and beginnings of keys, that the pages may change; commands, paths and addresses of services stay with who has
the file."""


class SettingsBody(RequestBody):
    """Keys with dots and their new values; null lets the default hold. `sha256` is that of the file they are about."""

    changes: Annotated[dict[str, Any], Field(max_length=120)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def add_setup_routes(app: FastAPI, data_dir: Path, installation: Installation, access: AccessControl) -> None:
    """All of them need the role admin: the settings hold where the plants stand."""
    place = ["--data-dir", str(data_dir)]
    if installation.settings_file:
        place += ["--config", installation.settings_file]

    @app.get("/api/setup", tags=["setup"], responses=REFUSALS)
    async def show(_who: str = Depends(access.admin)) -> Json:
        """The settings as they are in force at the next start, the table of stages, and the file they come from."""
        found = await _run(["settings", "show", "--json", *place])
        return {**found, "board_given": installation.board_given, "first_run": installation.first_run}

    @app.post("/api/setup/check", tags=["setup"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def check(ask: SettingsBody, _who: str = Depends(access.admin)) -> Json:
        """What these changes would do to the file (`diff`), or what is wrong with them and with which keys."""
        return await _run(_set_command(ask, place, "--dry-run"), _changes(ask))

    @app.post("/api/setup/save", tags=["setup"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def save(ask: SettingsBody, _who: str = Depends(access.admin)) -> Json:
        """Check and write them; the file as it was stays beside it. They hold from the next start."""
        return await _run(_set_command(ask, place), _changes(ask))

    @app.post("/api/setup/restart", tags=["setup"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def restart(who: str = Depends(access.admin)) -> Json:
        """End in an orderly way and start anew with the saved settings; refused while water runs."""
        reply = await run_in_threadpool(_restart, data_dir, who)
        if not reply.ok:
            raise HTTPException(409, reply.text)
        return {"ok": True, "text": reply.text}

    @app.get("/api/setup/ports", tags=["setup"], responses=REFUSALS)
    async def ports(_who: str = Depends(access.admin)) -> list[Json]:
        """Serial ports of this machine, by names that stay."""
        return await run_in_threadpool(serial_ports)

    @app.post("/api/setup/board", tags=["setup"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def board(ask: PortBody, _who: str = Depends(access.admin)) -> Json:
        """What answers at a port: our firmware, MicroPython alone, or nothing. Not while a host holds the port."""
        if not installation.first_run:
            raise HTTPException(409, "the running host holds its board; its firmware is on the Control page")
        if ask.port not in {row["port"] for row in await run_in_threadpool(serial_ports)}:
            raise HTTPException(409, "there is no such port any more")
        return await _run(["board", "flash" if ask.flash else "info", "--json", "--port", ask.port], patience_s=240.0)

    @app.post("/api/setup/notify-test", tags=["setup"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def notify_test(_who: str = Depends(access.admin)) -> Json:
        """Send one message to every address that the settings know, and to every device that has subscribed."""
        return {"lines": await run_command(["notify", "test", "--json", *place])}


class PortBody(RequestBody):
    """Which port to ask, and whether to put this version's firmware on the board there."""

    port: Annotated[str, Field(min_length=1, max_length=200)]
    flash: bool = False


def serial_ports() -> list[Json]:
    """Serial ports that can be a board's; `by-id` names where the system has them."""
    from serial.tools import list_ports

    by_id = {path.resolve(): path for path in Path("/dev/serial/by-id").glob("*")}
    rows = [port for port in list_ports.comports() if port.vid is not None]
    return [{"port": str(by_id.get(Path(one.device), one.device)), "name": one.description} for one in rows]


def _set_command(ask: SettingsBody, place: list[str], *options: str) -> list[str]:
    return ["settings", "set", "--changes", "-", "--json", "--sha256", ask.sha256, *options, *place]


def _changes(ask: SettingsBody) -> str:
    for key in ask.changes:
        if not any(key == known or (known.endswith(".") and key.startswith(known)) for known in CHANGEABLE):
            raise HTTPException(409, f"{key} cannot be changed here; edit the settings file")
    return json.dumps(ask.changes)


def _restart(data_dir: Path, who: str) -> Reply:
    request = new_request("restart", f"api {who}: settings")
    submit(data_dir, request)
    return wait_reply(data_dir, request, RESTART_S)


async def _run(words: list[str], stdin: str = "", patience_s: float = PATIENCE_S) -> Json:
    """The JSON object that the command prints. Raises HTTPException 503 when it prints none."""
    lines = await run_command(words, stdin, patience_s)
    if len(lines) != 1:
        raise HTTPException(503, "the command gave no answer; see the host's log")
    return lines[0]


async def run_command(words: list[str], stdin: str = "", patience_s: float = PATIENCE_S) -> list[Json]:
    """The JSON lines that `tomato-host WORDS` prints; one command at a time, so that no client floods the machine.

    Raises HTTPException: 409 with the command's own error, 503 when it gives no answer in time.
    """
    async with _ONE_AT_A_TIME:
        return await _run_alone(words, stdin, patience_s)


async def _run_alone(words: list[str], stdin: str, patience_s: float) -> list[Json]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tomato_host",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(stdin.encode()), patience_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise HTTPException(503, f"no answer within {patience_s:g} s") from None
    lines = [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]
    if process.returncode and not lines:
        text = errors.decode(errors="replace").strip().splitlines()
        raise HTTPException(409, text[-1].removeprefix("tomato-host: ") if text else "the command failed")
    return lines
