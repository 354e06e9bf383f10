"""Each `tomato-host` line of README and docs runs as it is printed, in a directory as its page supposes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.cli.main import main

from tests.incidents.running_host import RunningHost, until
from tests.test_docs import arguments_of, command_lines

# Each reason has to hold for a machine without board, root, network and hours; `test_every_command_line_is_one` of
# tests/test_docs.py still parses every one of these lines with the program's own parser.
ELSEWHERE: dict[str, str] = {
    r"(--help|--version)$": "printed by every command; tests/cli/test_main.py",
    r"backtest (agc|greenhouse)": "a data set from the network, an hour; tests/world_model and tests/sources",
    r"board (flash|info|logs)": "a real board; tests/board/test_board_command.py on a VM's console",
    r"board off --board /dev/tomato": "a real board under its udev name",
    r"calibrate (pump$|soil --probe 1$)": "a dialogue with a person; tests/cli/test_calibrate.py on the real firmware",
    r"campaign": "hours of simulation; tests/twin/test_campaign.py",
    r"fleet": "a Redis server; tests/bus/test_redis.py",
    r"install-service": "root; tests/operations/test_install.py",
    r"llm (bench|check|eval)": "a language model; `make test-llm`",
    r"forecast agc3": "a data set from the network",
    r"learn (once|run)": "does not end by itself, or needs torch; tests/learn",
    r"run --board /dev|run --config|run$|run --board sim( --scenario| --data-dir drill|$)": "runs for ever: it is the "
    "host of this test, or needs a board",
    r"twin serve": "runs for ever; tests/hil/test_twin_serve.py",
    r"restore /mnt|dataset verify /var": "root's directories; tests/operations/test_backup.py",
}
"""Lines that do not run here, by how they begin, and why."""

SHORTER = {"--duration-hours 24": "--duration-hours 0.1", "--duration-hours 12": "--duration-hours 0.1"}
"""The same command, for six simulated minutes."""
STANDS_FOR = {
    "dataset verify D": "dataset verify whole",
    "replay FILE": "replay whole/private/sensors_raw_2026-05.jsonl",
    "replay DATASET --check": "replay whole --check",
    "memory search WORDS": "memory search leaves",
    "world release policy": "world release sitter",
}
"""Words in capitals are the reader's; so is a name that the page has not made."""


def lines() -> list[str]:
    """Each line once, in an order in which the pages' stories happen: what is made is used before it is ended."""
    found = {line for _, line in command_lines()}
    last = ("world quarantine", "world release", "mode safe", "mode", "pause", "resume", "token revoke")
    return sorted(found, key=lambda line: (next((n for n, p in enumerate(last, 1) if line.startswith(p)), 0), line))


def reason_not_here(line: str) -> str:
    return next((why for pattern, why in ELSEWHERE.items() if re.match(pattern, line)), "")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running host on the virtual board as `data` and `drill`, a recorded dataset, the settings that pages print."""
    here = tmp_path_factory.mktemp("reader")
    host = RunningHost(here, "sim", data=here / "drill")
    before = Path.cwd()
    try:
        host.start()
        until(lambda: host.status()["tally"]["observations"] > 2, "a first state")
        (here / "data").symlink_to(here / "drill", target_is_directory=True)
        os.chdir(here)
        assert run("run --board sim --duration-hours 0.1 --time-scale 0 --seed 7 --data-dir whole --json") == 0
        yield here
        host.stop()
    finally:
        os.chdir(before)
        host.end()


def run(line: str) -> int:
    """The program's exit code, as a shell would see it."""
    try:
        main(arguments_of(line))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
