"""`tomato-host completion`: the words that a shell offers at the Tab key, from the commands themselves (by typer)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, NoReturn

import typer

from tomato_host.cli.completion_words import COMPLETE_VARIABLE, PROGRAM, one_of
from tomato_host.errors import TomatoError

SHELLS = ("bash", "zsh", "fish")


def completion(
    shell: Annotated[
        str,
        typer.Argument(help="bash, zsh or fish; default: that of this terminal.", autocompletion=one_of(*SHELLS)),
    ] = "",
    install: Annotated[
        bool, typer.Option("--install", help="Add it to the shell's own files, for the next terminal.")
    ] = False,
) -> None:
    """Print the script, for `source <(tomato-host completion bash)`, or install it."""
    from typer.completion import get_completion_script
    from typer.completion import install as add_to_shell

    named = shell or os.path.basename(os.environ.get("SHELL", ""))
    if named not in SHELLS:
        raise TomatoError(
            "E-COMPLETION", f"There is no completion for {named or 'this shell'}.", f"name one of {', '.join(SHELLS)}"
        )
    if install:
        _, path = add_to_shell(shell=named, prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE)
        typer.echo(f"Completion for {named} is in {path}; open a new terminal.")
        return
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, shell=named))


def words_of(environment: Mapping[str, str]) -> list[str]:
    """The words of the line that a shell asks about, without the program's name."""
    line = environment.get("COMP_WORDS") or environment.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split()[1:]


def answer(app: typer.Typer, instruction: str) -> NoReturn:
    """Print what may follow, one a line in the shell's own form, and end the process."""
    from typer.completion import completion_init, shell_complete
    from typer.main import get_command

    completion_init()
    sys.exit(shell_complete(get_command(app), {}, PROGRAM, COMPLETE_VARIABLE, instruction))
