"""Each `tomato-host` line of README and docs runs as it is printed, in a directory as its page supposes it."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.cli.main import main

from tests.advisor.pictures import jpeg, plant
from tests.incidents.running_host import RunningHost, until
from tests.test_docs import ROOT, arguments_of, command_lines, text_of

# Each reason has to hold for a machine without board, root, network and hours; `test_every_command_line_is_one` of
# tests/test_docs.py still parses every one of these lines with the program's own parser.
ELSEWHERE: dict[str, str] = {
    r"(--help|--version)$": "printed by every command; tests/cli/test_main.py",
    r"backtest (agc|greenhouse|tunnel)": "a data set from the network, an hour; tests/world_model and tests/sources",
    r"board (flash|info|logs)": "a real board; tests/board/test_board_command.py on a VM's console",
    r"board off --board /dev/tomato": "a real board under its udev name",
    r"calibrate (pump$|soil --probe 1$)": "a dialogue with a person; tests/cli/test_calibrate.py on the real firmware",
    r"campaign": "hours of simulation; tests/twin/test_campaign.py",
    r".*--scheduler": "a Dask cluster; tests/parallel/test_dask_cluster.py",
    r"fleet": "a Redis server; tests/bus/test_redis.py",
    r"install-service": "root; tests/operations/test_install.py",
    r"llm (bench|check|eval)": "a language model; `make test-llm`",
    r"forecast agc3": "a data set from the network",
    r"learn (once|run)": "does not end by itself, or needs torch; tests/learn",
    r"run --board /dev|run --config|run$|run --board sim( --scenario| --data-dir drill|$)": "runs for ever: it is the "
    "host of this test, or needs a board",
    r"mcp --agent": "serves until its client leaves; tests/world/test_mcp.py",
    r"demo$": "serves until it is stopped; tests/cli/test_demo.py",
    r"watch": "does not end by itself; tests/operations/test_live_monitoring.py",
    r"completion \w+ --install": "writes into the home directory; tests/cli/test_completion.py",
    r"learn compile": "minutes of torch; tests/learn",
    r"learn observe": "does not end by itself; tests/learn",
    r"world demo engine --serve": "serves until it is stopped; tests/world",
    r"twin serve": "runs for ever; tests/hil/test_twin_serve.py",
    r"restore /mnt|dataset verify /var": "root's directories; tests/operations/test_backup.py",
}
"""Lines that do not run here, by how they begin, and why."""

SHORTER = {"--duration-hours 24": "--duration-hours 0.1", "--duration-hours 12": "--duration-hours 0.1"}
"""The same command, for six simulated minutes."""
STANDS_FOR = {
    "backup tomato-before.tar.gz --data-dir DIR": "backup tomato-before.tar.gz --data-dir whole",
    "dataset verify D": "dataset verify whole",
    "replay FILE": "replay whole/private/sensors_raw_2026-05.jsonl",
    "replay DATASET --check": "replay whole --check",
    "replay DIR --check": "replay whole --check",
    "import FILE -o season": "import greenhouse.csv -o season2",
    "import greenhouse.csv -o season": "import greenhouse.csv -o season2",
    "simulate": "simulate --output-dir day --time-scale 0",
    "world quarantine NAME --reason ...": "world quarantine sitter --reason 'too often'",
    "memory search WORDS": "memory search leaves",
    "run --board sim --time-scale 0 --duration-hours 24 --seed 7": "run --board sim --time-scale 0 --duration-hours 24 "
    "--seed 7 --data-dir other",
    "run --board sim --time-scale 0 --duration-hours 24 --scenario leak@5,heatwave": "run --board sim --time-scale 0 "
    "--duration-hours 24 --scenario leak@5,heatwave --data-dir third",
}
"""Words in capitals are the reader's; a second host beside the one of this test needs a directory of its own."""
REFUSED: dict[str, tuple[int, str]] = {
    r"plugs clear": (2, "E-PLUG-NONE"),
    r"clear-fault \w+": (2, "not_latched"),
    r"learn (doctor|conservative on|rollback)": (-1, "TOMATO_LEARN_KEYS"),
    r"memory search": (2, "E-MEMORY-NONE"),
    r"import \S+ -o": (2, "E-IMPORT-CONFIRM"),
    r"world demo talk --model": (2, "E-LLM-FILES"),
    r"notify test": (2, "E-NOTIFY-NO-URL"),
    r"learn validate": (2, "E-LEARN-POLICY"),
    r"twin press$": (2, "Missing argument"),
    r"water$": (2, "E-OVERRIDE-AMOUNT"),
    r"water (100|200|30|--ml 150 --reason \"wilting\")": (2, "too soon after the last one"),
    r"world (watch|what-if)": (2, "E-WORLD-TOKEN"),
    r"model rollback": (2, "E-"),
    r"world propose": (2, "refused"),
    r"board off$": (2, "E-BOARD-NOT-FOUND"),
}
if importlib.util.find_spec("torch") is None:
    REFUSED[r"learn (demo|train)"] = (2, "E-EXTRA-LEARN")
"""What ends with an error in this directory, by the exit code (-1: any but 0) and a word that names what is missing."""


def lines() -> list[str]:
    """Each line once, in an order in which the pages' stories happen: what is made is used before it is ended."""
    found = {line for _, line in command_lines()}
    last = ("twin press", "world quarantine", "world release", "mode safe", "mode", "pause", "resume", "token revoke")
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
        (here / "docs").mkdir()  # where the learning loop's demonstration writes its report
        (here / "greenhouse.csv").write_text(twelve_days())
        assert run("import greenhouse.csv -o season --yes") == 0
        assert run("run --board sim --duration-hours 0.1 --time-scale 0 --seed 7 --data-dir whole --json") == 0
        for day in (0, 1):
            (here / "truss.jpg").write_bytes(jpeg(plant(day)))
            assert run(f"journal add day-{day} --photo truss.jpg") == 0
        yield here
        host.stop()
    finally:
        os.chdir(before)
        host.end()


def twelve_days() -> str:
    """A log as a grower's logger writes it: half-hourly, a day's course, soil that is watered every other day."""
    rows = ["time,air temperature (C),relative humidity (%),co2 (ppm),soil moisture P1 (%)"]
    for n in range(12 * 48):
        hour, at = n / 2.0, datetime(2026, 3, 1) + timedelta(minutes=30 * n)
        swing = math.sin(2.0 * math.pi * (hour - 8.0) / 24.0)
        rows.append(
            f"{at},{22 + 4 * swing:.2f},{65 - 12 * swing:.1f},{600 + 100 * swing:.0f},{38 - hour % 48 * 0.15:.1f}"
        )
    return "\n".join(rows) + "\n"


def run(line: str) -> int:
    """The program's exit code, as a shell would see it."""
    try:
        main(arguments_of(line))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.soak
@pytest.mark.timeout(1_800)  # a demonstration of the learning loop lives through seasons
@pytest.mark.parametrize("line", [line for line in lines() if not reason_not_here(line)])
def test_the_line_runs(place: Path, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, or the named refusal; a name of a command in a sentence, without its arguments, is its help."""
    printed = STANDS_FOR.get(line, line)
    for long, short in SHORTER.items():
        printed = printed.replace(long, short)
    code = run(printed)
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    wanted = next((row for pattern, row in REFUSED.items() if re.match(pattern, line)), None)
    if wanted is not None:
        assert code == wanted[0] or (wanted[0] == -1 and code != 0), told
        assert wanted[1] in told.err + told.out
    elif code == 2 and "Missing argument" in told.err:
        assert len(line.split()) <= 2, f"{line}: a page prints it without an argument that it needs"
    else:
        assert code == 0, told
        assert told.out.strip() or told.err.strip() or "run" in line, f"{line} shows nothing"


def test_every_reason_for_not_running_is_used_and_most_lines_run() -> None:
    """A reason that fits no line is a row to delete; the lines that run are the greater part."""
    here = [line for line in lines() if not reason_not_here(line)]
    elsewhere = [line for line in lines() if reason_not_here(line)]
    assert all(any(re.match(pattern, line) for line in elsewhere) for pattern in ELSEWHERE)
    assert len(here) > len(elsewhere)
    assert set(STANDS_FOR) <= set(here) and all(any(re.match(p, line) for line in here) for p in REFUSED)
    for why in ELSEWHERE.values():
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", why):
            assert (ROOT / path).exists(), path


def shell_lines() -> list[str]:
    """First words of the shell blocks that are no command of this project."""
    blocks = [
        block for page in ("README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))
        for block in re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)
    ]  # fmt: skip
    found = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({line for line in found if line and not re.match(r"(sudo )?(\S*/)?tomato-host ", line)})


FOREIGN = {
    "make ": "a target of the Makefile: tests/test_docs.py checks each",
    "export ": "an environment variable",
    "sudo apt ": "root and the network",
    "sudo systemctl ": "root and systemd: tests/operations/test_install.py checks the unit",
    "systemctl ": "systemd: tests/operations/test_install.py checks the unit",
    "pip install ": "the network; the extra's name is checked below",
    "mpremote ": "a real board",
    "docker ": "docker",
    "pipx install ": "the network: tests/operations/test_wheel.py installs the wheel into a fresh environment",
    "python3 -m venv ": "as pipx",
    "sudo -u tomato ": "root, otherwise as pipx",
    "sudo useradd ": "root",
    "sh deploy/make-certificate.sh ": "writes to /etc; tests/service/test_app_shell.py runs the script elsewhere",
}
"""What else stands in shell blocks, by how it begins, and why it does not run."""


@pytest.mark.parametrize("line", shell_lines())
def test_every_other_shell_line_has_its_reason(line: str) -> None:
    assert any(line.startswith(begin) for begin in FOREIGN), line
    for extras in re.findall(r"pipx? install '\S+?\[([\w,-]+)\]'", line):
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))
