"""Progress is one line on a terminal's standard error; pipes, logs and --json see nothing of it."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tomato_host.terminal import progress as facility
from tomato_host.terminal.progress import progress

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "host" / "tomato_host" / "cli"
LONG = {
    "backtest.py": {"backtest"},
    "backup.py": {"backup", "restore"},
    "board.py": {"flash"},
    "calibrate.py": {"pump"},
    "campaign.py": {"explain", "_run_cells"},
    "dataset.py": {"verify", "export", "query", "parquet", "info"},
    "demo.py": {"_make"},
    "doctor.py": {"doctor"},
    "explain.py": {"explain"},
    "forecast.py": {"forecast"},
    "import_table.py": {"_write", "_proposed"},
    "journal.py": {"report", "timelapse"},
    "learn.py": {"once", "rollback"},
    "learn_catalogue.py": {"compile"},
    "learn_operations.py": {"drill", "demo", "bench", "profile"},
    "learn_policy.py": {"train", "validate", "promote"},
    "llm.py": {"bench", "evaluate"},
    "model.py": {"teach"},
    "notify.py": {"test"},
    "replay.py": {"replay", "_check"},
    "simulate.py": {"simulate"},
}
"""Functions of the command line whose work may last longer than two seconds."""
WORK = """
import sys, time
from tomato_host.terminal import progress as facility
facility.APPEARS_AFTER_S = 0.05
with facility.progress("counting", quiet="--json" in sys.argv) as shown:
    for item in shown.over(range(4), 4):
        time.sleep(0.15)
print("done")
"""


def on_a_terminal(*arguments: str, code: str = WORK) -> tuple[str, str]:
    """Standard error as a person sees it, and standard output, which goes into a pipe."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65_536):
                shown += part
        except OSError:
            pass  # Linux says so when the other side of a terminal is closed
        assert process.stdout is not None
        out = process.stdout.read().decode()
    os.close(ours)
    return shown.decode(), out


def test_a_terminal_sees_what_is_done_how_far_it_is_and_how_long_it_takes() -> None:
    shown, out = on_a_terminal()
    assert "counting" in shown and "50%" in shown and "0:00:0" in shown
    assert out == "done\n", "what a command prints does not go astray into standard error"
    quiet, out = on_a_terminal("--json")
    assert quiet == "" and out == "done\n"


def test_a_pipe_sees_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("done\n", "")


def test_what_is_quick_shows_nothing() -> None:
    shown, _ = on_a_terminal(code=WORK.replace("0.05", "30.0"))
    assert "counting" not in shown


def test_an_error_takes_the_line_away_before_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facility, "APPEARS_AFTER_S", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(ValueError), progress("counting") as shown:
        time.sleep(0.1)
        shown.share(0.5)
        raise ValueError
    assert shown._line is not None and not shown._line._bar.live.is_started  # type: ignore[union-attr]


def test_work_of_hours_writes_a_line_into_a_log_after_each_twentieth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("campaign", log_lines=True) as shown:
        shown.share(0.0)
        for done in range(1, 201):
            shown.share(done / 200, f"{done}/200")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20 and lines[0].startswith("campaign 10/200, about 0 min left")
    with progress("campaign", quiet=True, log_lines=True) as shown:
        shown.share(0.0)
        shown.share(1.0)
    assert capsys.readouterr().err == ""


def uses_progress(function: ast.FunctionDef) -> bool:
    """Whether there is a `with progress(...)`; one that knows of --json passes it on."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "progress":
            json_options = {"as_json", "json_out", "quiet"} & {arg.arg for arg in function.args.args}
            passed = {name.id for arg in node.args[1:] for name in ast.walk(arg) if isinstance(name, ast.Name)}
            return json_options <= passed
    return False


@pytest.mark.parametrize("file", LONG)
def test_every_long_command_uses_the_one_facility(file: str) -> None:
    functions = {n.name: n for n in ast.walk(ast.parse((CLI / file).read_text())) if isinstance(n, ast.FunctionDef)}
    assert {name for name in LONG[file] if not uses_progress(functions[name])} == set()


def test_there_is_no_other_progress() -> None:
    drawing = ("progressbar(", "rich.progress", "rich.status")
    users = [
        path.relative_to(ROOT)
        for path in (ROOT / "host").rglob("*.py")
        if any(text in path.read_text(encoding="utf-8") for text in drawing)
    ]
    assert users == [Path("host/tomato_host/terminal/progress.py")]


def test_a_real_command_reports_its_share(tmp_path: Path) -> None:
    code = (
        "from tomato_host.terminal import progress as facility\nfacility.APPEARS_AFTER_S = 0.0\n"
        "from tomato_host.cli.main import main\nimport sys\nmain(sys.argv[1:])"
    )
    day = ("simulate", "--duration-hours", "6", "--time-scale", "0", "--output-dir", str(tmp_path))
    shown, out = on_a_terminal(*day, code=code)
    assert "6 hours of a tent" in shown and "%" in shown
    dataset = out.split()[-1]
    shown, out = on_a_terminal("dataset", "verify", dataset, "--json", code=code)
    assert shown == "" and json.loads(out)["ok"]
