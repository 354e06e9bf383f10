"""Completion in real shells, with the words of the commands themselves; colours nowhere with --no-color."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tomato_host.cli.main import COMMANDS

COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9]+)*m")
ASK_BASH = """
source ./script
COMP_WORDS=({line} "{word}"); COMP_CWORD={at}
_tomato_host_completion tomato-host
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shell_home(tmp_path: Path) -> Path:
    """A home with the program on the PATH."""
    program = tmp_path / "bin" / "tomato-host"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tomato_host "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("_T", "COMP_"))}
    return {**kept, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "TERM": "dumb", **more}


def run(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tomato_host", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment(home, **more), cwd=home
    )


def offered_by_bash(home: Path, *line: str) -> list[str]:
    *before, word = line
    text = ASK_BASH.format(line=" ".join(("tomato-host", *before)), word=word, at=len(before) + 1)
    ran = subprocess.run(
        ["bash", "--norc", "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=environment(home),
        cwd=home,
    )
    return ran.stdout.split()


def test_bash_offers_commands_options_and_values(shell_home: Path) -> None:
    (shell_home / "script").write_text(run(shell_home, "completion", "bash").stdout)
    assert set(offered_by_bash(shell_home, "")) == {command.name for command in COMMANDS}
    assert offered_by_bash(shell_home, "data") == ["dataset"]
    assert {"verify", "export", "query"} <= set(offered_by_bash(shell_home, "dataset", ""))
    assert offered_by_bash(shell_home, "simulate", "--sc") == ["--scenario"]
    assert offered_by_bash(shell_home, "simulate", "--scenario", "heat") == ["heatwave"]
    assert "control.stage=" in offered_by_bash(shell_home, "settings", "set", "control.st")
    assert offered_by_bash(shell_home, "light", "o") == ["on", "off"]


ZSH = """
autoload -Uz compinit; compinit -u; source ./script
_arguments() { print -r -- "$2"; print -r -- "$1" }
words=(tomato-host simulate --scenario heat); CURRENT=4
_tomato_host_completion
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh (Debian's package)")
def test_zsh_offers_values(shell_home: Path) -> None:
    (shell_home / "script").write_text(run(shell_home, "completion", "zsh").stdout)
    ran = subprocess.run(
        ["zsh", "-f", "-c", ZSH],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(shell_home),
        cwd=shell_home,
    )
    assert "heatwave" in ran.stdout and "dry_inflow" not in ran.stdout, ran.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish (Debian's package)")
def test_fish_offers_commands_with_their_help_and_values(shell_home: Path) -> None:
    assert run(shell_home, "completion", "fish", "--install").returncode == 0

    def offered(line: str) -> dict[str, str]:
        ran = subprocess.run(
            ["fish", "-c", f"complete -C '{line}'"], capture_output=True, text=True, timeout=60,
            env=environment(shell_home), cwd=shell_home,
        )  # fmt: skip
        return dict([*one.split("\t"), ""][:2] for one in ran.stdout.splitlines())

    assert offered("tomato-host simulate --scenario heat").keys() == {"heatwave"}
    helps = {command.name: command.help for command in COMMANDS}
    assert offered("tomato-host water")["water"] == helps["water"]


def test_installing_adds_one_line_and_keeps_what_stands_there(shell_home: Path) -> None:
    rc = shell_home / ".bashrc"
    rc.write_text("alias ll='ls -l'\n")
    for _ in range(2):
        assert run(shell_home, "completion", "bash", "--install").returncode == 0
    lines = [line for line in rc.read_text().splitlines() if line]
    assert lines[0] == "alias ll='ls -l'" and len(lines) == 2 and "tomato-host" in lines[1]
    assert run(shell_home, "completion", SHELL="/bin/zsh").stdout.startswith("#compdef tomato-host")
    refused = run(shell_home, "completion", "tcsh")
    assert refused.returncode == 2 and "E-COMPLETION" in refused.stderr and "fish" in refused.stderr


def on_a_terminal(home: Path, *words: str, **more: str) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tomato_host", *words]
    seen = b""
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env=environment(home, TERM="xterm-256color", **more), cwd=home
    ):
        os.close(theirs)
        try:
            while part := os.read(ours, 65_536):
                seen += part
        except OSError:
            pass  # Linux says so when the other side of a terminal is closed
    os.close(ours)
    return seen.decode()


DOCTOR = ("doctor", "--data-dir", "nowhere")
COLOURED = (DOCTOR, ("status", "--data-dir", "data"))


@pytest.mark.parametrize("command", COLOURED, ids=" ".join)
def test_no_color_holds_wherever_it_stands_on_the_line(command: tuple[str, ...], shell_home: Path) -> None:
    if command[0] == "status":
        from tomato_host.storage.dataset import Dataset

        from tests.contracts.examples import parsed
        from tests.storage.samples import START, state

        with Dataset.open(shell_home / "data") as dataset:
            dataset.append(parsed("targets_v1", ts=(START - timedelta(hours=1)).isoformat()))
            dataset.append(state(START))
    assert COLOUR.search(on_a_terminal(shell_home, *command)), "a terminal gets colours"
    for words in (("--no-color", *command), (*command, "--no-color")):
        assert not COLOUR.search(on_a_terminal(shell_home, *words))
    assert not COLOUR.search(on_a_terminal(shell_home, *command, NO_COLOR="1"))


def test_after_a_double_dash_it_is_a_word_like_any_other(shell_home: Path) -> None:
    from tomato_host.cli.main import _without_color_option

    assert _without_color_option(["dataset", "query", "--", "--no-color"]) == ["dataset", "query", "--", "--no-color"]
