"""The command line's front guardrails: names every command and loads only the one that is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import typer

from tomato_host.errors import TomatoError


class Command(NamedTuple):
    """A command, the module and the object that serve it, and its one-line help."""

    name: str
    module: str
    attribute: str
    help: str


COMMANDS: tuple[Command, ...] = (
    Command("run", "tomato_host.cli.run", "run", "Run the brain on a board or on the virtual board."),
    Command("doctor", "tomato_host.cli.doctor", "doctor", "Check this machine and say what to do."),
    Command("water", "tomato_host.cli.override", "water", "Water once, through the guardrails."),
    Command("light", "tomato_host.cli.override", "light", "Switch the lamp on, or keep it off, for a while."),
    Command("pause", "tomato_host.cli.override", "pause", "Stop deciding for a while."),
    Command("resume", "tomato_host.cli.override", "resume", "End a pause now."),
    Command("mode", "tomato_host.cli.override", "mode", "Ask for safe mode, or take it back."),
    Command("explain", "tomato_host.cli.explain", "explain", "What was decided, what was not, and why."),
    Command("token", "tomato_host.cli.token", "app", "Who may use the dashboard's API: create, list, revoke."),
    Command("notify", "tomato_host.cli.notify", "app", "Messages to people: does one arrive?"),
    Command("fleet", "tomato_host.cli.fleet", "app", "All tents of one broker in one table."),
    Command("simulate", "tomato_host.cli.simulate", "simulate", "Simulate a day: source, estimator, storage."),
    Command("replay", "tomato_host.cli.replay", "replay", "Run recorded observations through today's brain."),
    Command("dataset", "tomato_host.cli.dataset", "app", "Verify, publish, query and convert a dataset."),
    Command("llm", "tomato_host.cli.llm", "app", "The language model: status, check, bench, eval."),
    Command("memory", "tomato_host.cli.memory", "app", "Search what the advisor remembers."),
    Command("forecast", "tomato_host.cli.forecast", "forecast", "The next 36 hours in the tent, as a chart."),
    Command("model", "tomato_host.cli.model", "app", "Versions of the forecast: list, promote, roll back."),
    Command("backtest", "tomato_host.cli.backtest", "backtest", "How good is the forecast on recorded data?"),
    Command("board", "tomato_host.cli.board", "app", "Look at a board, flash it, talk to its console."),
    Command("clear-fault", "tomato_host.cli.clear_fault", "clear_fault", "Show the board's latched faults, clear one."),
    Command("calibrate", "tomato_host.cli.calibrate", "app", "Teach the board your substrate and your pump."),
    Command("install-service", "tomato_host.cli.install_service", "install_service", "Start with the machine."),
    Command("backup", "tomato_host.cli.backup", "backup", "Save a data directory, running or not."),
    Command("restore", "tomato_host.cli.backup", "restore", "Bring a saved data directory back."),
    Command("twin", "tomato_host.cli.twin", "app", "Serve the virtual board by itself; list faults."),
    Command("campaign", "tomato_host.cli.campaign", "campaign", "Compare controllers over many simulated tents."),
)
"""The table of commands, in the order of the help."""

VERSION_HELP = "Print the version and end."


def _named(argv: Sequence[str]) -> str | None:
    """The first word that is not an option: the command somebody wants."""
    return next((word for word in argv if not word.startswith("-")), None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from tomato_host import __version__

        typer.echo(f"tomato-host {__version__}")
        raise typer.Exit


def _mount(app: typer.Typer, command: Command, load: bool) -> None:
    """Register the real command when it is the one called, else its name and help alone (imports cost time)."""
    if not load:

        def placeholder() -> None:
            """Stands for a command that this invocation did not ask for."""

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
        name="tomato-host",
        help="The brain of an embodied tomato: estimates, forecasts, plans, explains and records.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help=VERSION_HELP),
    ) -> None:
        """Options that belong to every command."""

    wanted = _named(argv)
    for command in COMMANDS:
        _mount(app, command, load=command.name == wanted)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line. An error meant for a person is one line on standard error and exit code 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        build(words)(args=words, prog_name="tomato-host")
    except TomatoError as error:
        print(f"tomato-host: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("tomato-host: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read our output went away (`| head`); that is no error of ours. The rest of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
