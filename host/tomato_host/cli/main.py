"""The command line's entry point: names every command and loads only the one that is called."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import typer

from tomato_host.cli.completion_words import COMPLETE_VARIABLE, PROGRAM
from tomato_host.errors import TomatoError


class CommandSpec(NamedTuple):
    """A command, the module and the object that serve it, and its one-line help."""

    name: str
    module: str
    attribute: str
    help: str


COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec("run", "tomato_host.cli.run", "run", "Run the brain on a board or on the virtual board."),
    CommandSpec("demo", "tomato_host.cli.demo", "demo", "Two weeks of a simulated tent, then live at 60x."),
    CommandSpec("status", "tomato_host.cli.status", "status", "Each value with its target, trend and last 24 hours."),
    CommandSpec("watch", "tomato_host.cli.watch", "watch", "Live panel of a running host, with targets and trends."),
    CommandSpec("doctor", "tomato_host.cli.doctor", "doctor", "Check this machine and suggest fixes."),
    CommandSpec("water", "tomato_host.cli.override", "water", "Water once, through the guardrails."),
    CommandSpec("light", "tomato_host.cli.override", "light", "Switch the lamp on, or keep it off, for a while."),
    CommandSpec("pause", "tomato_host.cli.override", "pause", "Pause the controller for a while."),
    CommandSpec("resume", "tomato_host.cli.override", "resume", "End a pause now."),
    CommandSpec("mode", "tomato_host.cli.override", "mode", "Request safe mode, or end it."),
    CommandSpec("explain", "tomato_host.cli.explain", "explain", "Show one decision and its reasons."),
    CommandSpec("settings", "tomato_host.cli.settings", "app", "Show, check and change the settings file."),
    CommandSpec("token", "tomato_host.cli.token", "app", "Access tokens of the dashboard's API: create, list, revoke."),
    CommandSpec("notify", "tomato_host.cli.notify", "app", "Notifications: send a test message."),
    CommandSpec("fleet", "tomato_host.cli.fleet", "app", "All tents of one broker in one table."),
    CommandSpec("journal", "tomato_host.cli.journal", "app", "Notes, tasks, harvests, photos; the season's report."),
    CommandSpec("simulate", "tomato_host.cli.simulate", "simulate", "Simulate a day: source, estimator, storage."),
    CommandSpec("replay", "tomato_host.cli.replay", "replay", "Run recorded observations through the current brain."),
    CommandSpec("dataset", "tomato_host.cli.dataset", "app", "Verify, publish, query and convert a dataset."),
    CommandSpec("llm", "tomato_host.cli.llm", "app", "The language model: status, check, bench, eval."),
    CommandSpec("memory", "tomato_host.cli.memory", "app", "Search the advisor's memory."),
    CommandSpec("forecast", "tomato_host.cli.forecast", "forecast", "The next 36 hours in the tent, as a chart."),
    CommandSpec("model", "tomato_host.cli.model", "app", "Versions of the forecast: list, promote, roll back."),
    CommandSpec("world", "tomato_host.cli.world", "app", "The shared world: agents, their proposals, demos."),
    CommandSpec("mcp", "tomato_host.cli.mcp", "mcp", "The tent as tools of a language model (MCP)."),
    CommandSpec("learn", "tomato_host.cli.learn", "app", "The learning loop: run it, look at it, take it back."),
    CommandSpec("import", "tomato_host.cli.import_table", "import_table", "Read a grower's own log (CSV, XLSX, ...)."),
    CommandSpec("backtest", "tomato_host.cli.backtest", "backtest", "Score the forecast on recorded data."),
    CommandSpec("board", "tomato_host.cli.board", "app", "Inspect a board, flash it, open its console."),
    CommandSpec(
        "clear-fault", "tomato_host.cli.clear_fault", "clear_fault", "Show the board's latched faults, clear one."
    ),
    CommandSpec("plugs", "tomato_host.cli.plugs", "app", "Smart plugs: which are latched off, clear one."),
    CommandSpec("calibrate", "tomato_host.cli.calibrate", "app", "Calibrate soil probes and pump."),
    CommandSpec(
        "install-service",
        "tomato_host.cli.install_service",
        "install_service",
        "Start with the machine.",
    ),
    CommandSpec("backup", "tomato_host.cli.backup", "backup", "Save a data directory, running or not."),
    CommandSpec("restore", "tomato_host.cli.backup", "restore", "Restore a saved data directory."),
    CommandSpec("completion", "tomato_host.cli.completion", "completion", "Completion for bash, zsh or fish."),
    CommandSpec("twin", "tomato_host.cli.twin", "app", "Serve the virtual board by itself; list faults."),
    CommandSpec("campaign", "tomato_host.cli.campaign", "app", "Compare controllers over many simulated tents."),
)
"""The table of commands, in the order of the help."""

VERSION_HELP = "Print the version and end."


def _named(argv: Sequence[str]) -> str | None:
    """The first argument that is not an option: the command's name."""
    return next((argument for argument in argv if not argument.startswith("-")), None)


def _without_color_option(argv: Sequence[str]) -> list[str]:
    """The words without `--no-color`, accepted anywhere before `--`; it holds for child processes, too."""
    end = argv.index("--") if "--" in argv else len(argv)
    words = [word for word in argv[:end] if word != "--no-color"]
    if len(words) < end:
        os.environ["NO_COLOR"] = "1"
    return [*words, *argv[end:]]


def _show_version(wanted: bool) -> None:
    if wanted:
        from tomato_host import __version__

        typer.echo(f"tomato-host {__version__}")
        raise typer.Exit


def _mount(app: typer.Typer, command: CommandSpec, load: bool) -> None:
    """Register the real command when it is the one called, else its name and help alone (imports cost time)."""
    if not load:

        def placeholder() -> None:
            """Placeholder for a command that this invocation does not run."""

        app.command(command.name, help=command.help)(placeholder)
        return
    served = getattr(importlib.import_module(command.module), command.attribute)
    if isinstance(served, typer.Typer):
        app.add_typer(served, name=command.name, help=command.help)
    else:
        app.command(command.name, help=command.help)(served)


def build(argv: Sequence[str]) -> typer.Typer:
    """The application for this command line."""
    app = typer.Typer(
        name=PROGRAM,
        help="The brain of an embodied tomato: estimates, forecasts, plans, explains and records.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its panels cut words in narrow terminals and swallow what stands in [brackets]
    )

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help=VERSION_HELP),
        no_color: bool = typer.Option(False, "--no-color", help="No colours, anywhere on the line; like NO_COLOR=1."),
    ) -> None:
        """Options that belong to every command."""

    wanted = _named(argv)
    for command in COMMANDS:
        _mount(app, command, load=command.name == wanted)
    return app


def _complete(instruction: str) -> None:
    """Answer a shell that asks for the words that may follow; only the command on its line is loaded."""
    from tomato_host.cli.completion import answer, words_of

    answer(build(words_of(os.environ)), instruction)


def _write_what_the_terminal_can() -> None:
    """A sign that the terminal's encoding lacks (Latin-1, ASCII), or a file name's odd byte, becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # its descriptor was exchanged for one of another kind meanwhile
                stream.reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line. A TomatoError is one line on standard error and exit code 2."""
    arguments = _without_color_option(list(sys.argv[1:] if argv is None else argv))
    _write_what_the_terminal_can()
    try:
        if (asked := os.environ.get(COMPLETE_VARIABLE)) is not None:
            _complete(asked)
        build(arguments)(args=arguments, prog_name=PROGRAM)
    except TomatoError as error:
        print(f"tomato-host: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("tomato-host: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        raise SystemExit(_end_without_reader(_named(arguments))) from None
    except ModuleNotFoundError as error:
        if error.name not in OF_AN_EXTRA:
            raise
        print(f"tomato-host: {_missing_library(error.name)}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in _OF_A_FILE:
            raise
        print(f"tomato-host: {_file_error(error)}", file=sys.stderr)
        raise SystemExit(2) from None


OF_AN_EXTRA = {"torch": ("E-EXTRA-LEARN", "PyTorch", "learn")}
"""Libraries without which whole commands have no meaning, so that their modules import them without asking: error
code, name, extra."""


def _missing_library(module: str) -> TomatoError:
    code, name, extra = OF_AN_EXTRA[module]
    return TomatoError(code, f"{name} is not installed.", f"pip install '.[{extra}]'")


def _end_without_reader(command: str | None) -> int:
    """Exit code when the reader of our output has closed it (`| head`): no error, but for a host that it has ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest of the output is discarded
    if command not in ENDLESS:
        return 0
    print("tomato-host: stopped, because the reader of its output has closed it", file=sys.stderr)
    return 1


ENDLESS = frozenset({"run", "demo"})
"""Commands that go on until they are told to stop."""
_OF_A_FILE = frozenset(
    getattr(errno, name)
    for name in (
        "ENOENT", "EACCES", "EPERM", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EROFS", "ENOSPC", "EDQUOT", "EFBIG",
        "EIO", "EEXIST", "ENOTEMPTY", "ENODEV", "ENXIO",
    )
)  # fmt: skip
"""What a person can correct: a path that was given wrongly, its permissions, a full disk. Anything else is a fault."""


def _file_error(error: OSError) -> TomatoError:
    """For the path that no command has judged itself: one line, where a traceback would hide it."""
    from tomato_host.toml_file import shown

    where = shown(str(error.filename), quoted=False, longest=200) if error.filename else "output"
    what = f"{where}: {(error.strerror or str(error)).lower()}."
    return TomatoError("E-FILE", what, "check the path, who may read and write it, and the room on its disk")
