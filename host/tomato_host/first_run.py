"""The first run, in a directory without settings: serve the set-up pages alone until they have written a file.

Nothing is recorded and no board is touched before a person has said which board it is.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tomato_host.atomic_file import make_directory
from tomato_host.errors import TomatoError
from tomato_host.loop.sd_notify import from_environment
from tomato_host.loop.status import Status
from tomato_host.service.feeds import dashboard_command
from tomato_host.service.installation import Installation
from tomato_host.service.listening import AddressTakenError, listen_on
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings
from tomato_host.service.tokens import TokenFile
from tomato_host.settings import Settings
from tomato_host.settings_file import FILE, plan_change, write_change

POLL_S = 0.3
OWNER = "owner"
"""Name of the token that the first run makes."""


def has_run(data_dir: Path) -> bool:
    """Whether a host has ever run with this data directory."""
    return (data_dir / "inbox").is_dir()


def wait_for_settings(data_dir: Path, out: TextIO, port: int | None = None) -> Path | None:
    """Serve the pages until the data directory has its settings file; None when a signal came first.

    A `port` that is not the usual one is added to the file, so that the dashboard stays where it is. Raises TomatoError
    E-SERVICE-PORT when the address is taken, E-SERVICE-ENDED when the pages' process ends by itself.
    """
    path, stop = data_dir / FILE, threading.Event()
    service = Settings().service if port is None else Settings().service.model_copy(update={"port": port})
    make_directory(data_dir)
    try:
        listen_on(service).close()
    except AddressTakenError as error:
        raise _taken(str(error)) from None
    out.write(_invitation(data_dir, f"http://{service.host}:{service.port}", out.isatty()))
    out.flush()
    now = datetime.now(UTC)
    notifier = from_environment(os.environ, Status(started_at=now, now=now, port=""))
    if notifier is not None:
        notifier.start()
    with _signals(stop), _pages(data_dir, service) as process:
        while not path.is_file() and process.poll() is None and not stop.wait(POLL_S):
            if notifier is not None:
                notifier.tick(datetime.now(UTC))
        if not path.is_file() and process.poll() is not None:
            raise _ended(process.returncode, f"{service.host}:{service.port}")
    if path.is_file() and port is not None:
        write_change(plan_change(path, {"service.port": port}))
    return path if path.is_file() else None


def _taken(address: str) -> TomatoError:
    return TomatoError(
        "E-SERVICE-PORT",
        f"{address} is taken, by another tent perhaps, so there is no page to set this one up.",
        "stop that one, or choose another port: tomato-host run --setup-port 8431",
    )


def _ended(code: int, address: str) -> TomatoError:
    if code == PORT_TAKEN:
        return _taken(address)
    return TomatoError(
        "E-SERVICE-ENDED", f"The set-up pages ended with code {code}.", "see the lines above, then start again"
    )


def _invitation(data_dir: Path, url: str, is_terminal: bool) -> str:
    """Where to go. At a terminal the address signs its reader in: the part behind # never leaves the browser."""
    tokens, place = TokenFile(data_dir), f"{url}/#setup"
    if tokens.all() or not is_terminal:
        make = "" if tokens.all() else f" Make a token first: tomato-host token create {OWNER} --role admin"
        return f"No settings yet. Open {place} in a browser and follow the steps.{make}\n"
    secret = tokens.create(OWNER, "admin")
    return (
        f"No settings yet. Open this address in a browser and follow the steps:\n\n  {place}:{secret}\n\n"
        "It signs that browser in as the owner of this tent; it is shown once. Other devices sign in with the part"
        " behind the last colon.\n"
    )


@contextmanager
def _pages(data_dir: Path, service: ServiceSettings) -> Iterator[subprocess.Popen[bytes]]:
    """The dashboard's process, without a deciding loop. It ends with this one: its connection closes."""
    ours, theirs = socket.socketpair()
    command = dashboard_command(data_dir, service, Settings().bus, Installation(first_run=True))
    environment = {**os.environ, "TOMATO_FEED_FD": str(theirs.fileno())}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=environment, start_new_session=True
    )
    theirs.close()
    try:
        yield process
    finally:
        ours.close()
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    before: dict[int, Any] = {}

    def handler(_number: int, _frame: object) -> None:
        stop.set()

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def is_first_run(config: Path | None, board: str | None, data_dir: Path) -> bool:
    """Whether a run without any word about its tent begins here."""
    return config is None and board is None and not (data_dir / FILE).is_file() and not has_run(data_dir)
