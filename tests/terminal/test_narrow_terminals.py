"""In a terminal of 80 or 60 columns no word is broken, in any table or panel of the command line."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console, RenderableType
from tomato_host.backtest.report import BacktestReport
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.cli import backtest, dataset, doctor, fleet
from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.cli.main import COMMANDS
from tomato_host.loop.status import Pulse, Status
from tomato_host.service.fleet.rows import FleetRow
from tomato_host.terminal.panel import render

from shared_schemas.records import ActionV1, AnomalyV1, DeviceStatusV1, ObservationV1, StateV1
from tests.contracts.examples import parsed
from tests.storage.samples import event

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
FRAMES = str.maketrans(dict.fromkeys("│┃╭╮╰╯─━┏┓┗┛┳┻╇┡┩┼├┤┬┴└┘┌┐╈", " "))
WIDTHS = (80, 60)


def words(text: str) -> list[str]:
    """All words, without the frames of tables."""
    return text.translate(FRAMES).split()


def check(narrow: str, wide: str, width: int, titles: str = "") -> None:
    """Every word of the narrow form stands whole in the wide one, none is missing, and no line is too long.

    `titles` of the first columns are not repeated in a block.
    """
    broken = set(words(narrow)) - set(words(wide))
    assert not broken, f"broken at {width} columns: {broken}\n{narrow}"
    missing = set(words(wide)) - set(words(narrow)) - set(titles.split())
    assert not missing, f"missing at {width} columns: {missing}\n{narrow}"
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= width


def drawn(shown: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(shown)
    return cast(io.StringIO, console.file).getvalue()


def live_status() -> Status:
    """Everything the panel can show, each with long words."""
    action = cast(ActionV1, parsed("action_v1"))
    anomaly = cast(AnomalyV1, parsed("anomaly_v1"))
    status = Status(NOW, NOW, link="up", dashboard="http://127.0.0.1:8080", mode="SAFE")
    status.mode_reason = "over_temperature: 36.2 degC for 12 min, and the confidence is below 0.4"
    status.observation = cast(ObservationV1, parsed("observation_v1")).model_copy(update={"received_ts": NOW})
    status.devices = cast(DeviceStatusV1, parsed("device_status_v1"))
    status.estimate = cast(Estimate, SimpleNamespace(ts=NOW, state=cast(StateV1, parsed("state_v1"))))
    status.link_detail = "the board runs firmware 0.9 and speaks schema 0123456789abcdef0123456789abcdef"
    status.jobs = {"lamp": NOW + timedelta(hours=3)}
    status.pulses.append(Pulse(NOW, "circulation_fan", "REJECTED_BY_BOARD", 120.0, "s", "minimum_pause_not_over"))
    status.actions.extend([action] * 7)
    status.open_anomalies = {"a": anomaly, "b": anomaly}
    status.next_decision_at = NOW + timedelta(minutes=20)
    return status


def fleet_rows() -> list[FleetRow]:
    done = {"type": "SET_CIRCULATION_FAN", "text": "ON", "ts": "2026-06-01T07:40:00+00:00"}
    north = FleetRow("north", "well", True, "All is well", "NORMAL", 3.0, 23.5, 61.0, 1.13, "P2", 30.2, done, (), 412)
    alarms = ("fault over_temperature", "sensor disconnect soil_moisture_p1_pct")
    south = replace(north, node="the_tent_in_the_greenhouse_of_the_south", level="bad", safe=False, alarms=alarms)
    return [south, replace(north, node="west", level="stale", safe=None, age_s=720.0, last_action=None), north]


FINDINGS = [
    Diagnosis("Packages", "ok", "tomato-host 0.1 with numpy 2.1, pydantic 2.9 and 14 more"),
    Diagnosis(
        "MQTT broker",
        "problem",
        "mqtt.greenhouse.example:8883 refuses the user 'tomato': not authorised",
        "set TOMATO_MQTT_PASSWORD in /etc/tomato-host/environment, then systemctl restart tomato-host",
    ),
]
REPORT = BacktestReport(
    quantity="soil_moisture_pct",
    horizons=(1, 3, 6, 12, 24, 36),
    origins=240,
    mae={"persistence": [1.234] * 6, "yesterday_at_the_same_hour": [0.987] * 6},
    rmse={"persistence": [1.5] * 6, "yesterday_at_the_same_hour": [1.2] * 6},
    coverage=[0.8] * 6,
    width=[2.345] * 6,
    reliability=[],
)


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, show: Any) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    show()
    return capsys.readouterr().out


@pytest.mark.parametrize("width", WIDTHS)
def test_the_live_panel(width: int) -> None:
    zone = ZoneInfo("Europe/Vienna")
    check(drawn(render(live_status(), zone), width), drawn(render(live_status(), zone), 400), width)
    waiting = Status(NOW, NOW)
    check(drawn(render(waiting, zone), width), drawn(render(waiting, zone), 400), width)


DAY: dict[str, Any] = {
    "t": [float(60 * n) for n in range(90)],
    "soil": {"P1": [20.0 + 0.1 * n for n in range(90)]},
    "bands": {
        "soil": {"low": [30.0] * 90, "high": [42.0] * 90},
        "vpd_kpa": {"low": [0.8] * 90, "high": [1.4] * 90},
    },
    "vpd_kpa": [1.5 - 0.01 * n for n in range(90)],
}


@pytest.mark.parametrize("width", WIDTHS)
def test_the_live_panel_has_targets_trends_and_the_last_day(width: int) -> None:
    zone = ZoneInfo("Europe/Vienna")
    shown = drawn(render(live_status(), zone, DAY), width)
    check(shown, drawn(render(live_status(), zone, DAY), 400), width, "value now target trend last 24 h")
    text = " ".join(words(shown))
    assert "0.8 to 1.4" in text and "30 to 42" in text and "↗" in text and "↘" in text and "▁" in text
    assert "15.6 % !" in text, "dry soil lies outside its target"


def test_another_process_draws_the_same_panel_from_what_the_dashboard_serves() -> None:
    """`watch` rebuilds the status from /api/glance; nothing but the last line of the frame may differ."""
    from tomato_host.loop.live_values import live_values
    from tomato_host.service.feed import status_line
    from tomato_host.service.live_state import LiveState
    from tomato_host.terminal.remote_status import parse_glance

    status, zone = live_status(), ZoneInfo("Europe/Vienna")
    live = LiveState()
    live.connected = True
    for record in (status.observation, status.devices, *status.actions, *status.open_anomalies.values()):
        assert record is not None
        live.update(b'{"record":' + record.to_json().encode() + b"}")
    live.update(status_line(status))
    again, values = parse_glance(json.loads(json.dumps(live.overview())))
    assert values == live_values(status)
    ours, theirs = (
        drawn(one, 100).splitlines() for one in (render(status, zone, DAY), render(again, zone, DAY, values))
    )
    same = [line for line in ours[:-1] if "SENSOR" not in line and line in theirs]
    assert len(same) >= 15 and theirs[0] == ours[0] and "Ctrl-C ends the view alone" in theirs[-1]
    live.connected = False
    gone, unknown = parse_glance(live.overview())
    assert "no host" in drawn(render(gone, zone, DAY, unknown), 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_fleet(width: int) -> None:
    narrow = drawn(fleet.table(fleet_rows(), "redis://127.0.0.1:6379"), width)
    check(narrow, drawn(fleet.table(fleet_rows(), "redis://127.0.0.1:6379"), 400), width, "node safe? mode heard")


TABLES: dict[str, Callable[[], None]] = {
    "doctor": lambda: doctor._print_table(FINDINGS),
    "backtest": lambda: backtest._show(REPORT),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = printed(capsys, monkeypatch, width, TABLES[name])
    wide = printed(capsys, monkeypatch, 400, TABLES[name])
    check(narrow, wide, width, "check model")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_query_of_the_dataset(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomato_host.storage import Dataset

    pytest.importorskip("duckdb", reason="extra [data] is not installed")
    with Dataset.open(tmp_path) as store:
        store.append(event(1))
    sql = "SELECT n, seq, ts, level, kind, name, text, 'a_long_word_' || name AS another_long_column_name FROM events"
    narrow = printed(capsys, monkeypatch, width, lambda: dataset.query(tmp_path, sql))
    check(narrow, printed(capsys, monkeypatch, 400, lambda: dataset.query(tmp_path, sql)), width, "n")


def on_a_terminal(width: int, *words: str) -> str:
    """What a person sees: the command has a real terminal of that width."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | {"TERM": "dumb"}
    command = [sys.executable, "-m", "tomato_host", *words]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    out = b""
    try:
        while part := os.read(ours, 65_536):
            out += part
    except OSError:
        pass  # Linux says so when the other side of a terminal is closed
    process.wait(60)
    os.close(ours)
    return out.decode().replace("\r\n", "\n")


LISTS = (("twin", "scenarios"), ("world", "agents"), ("llm", "status"))


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_lists_are_wrapped_between_words_on_a_terminal_alone(command: tuple[str, ...]) -> None:
    piped = subprocess.run([sys.executable, "-m", "tomato_host", *command], capture_output=True, text=True, check=False)
    assert piped.returncode == 0, piped.stderr
    for width in WIDTHS:
        seen = on_a_terminal(width, *command)
        assert words(seen) == words(piped.stdout)
        assert max(map(len, seen.splitlines())) <= max(width, *map(len, words(piped.stdout)))


HELPS = """
import json, sys
from click.testing import CliRunner
from tomato_host.cli.main import COMMANDS, build
from typer.main import get_command

def walk(command, path):
    shown = [CliRunner().invoke(top, [*path, "--help"], terminal_width=int(width)).output for width in sys.argv[1:]]
    out[" ".join(path)] = shown
    for name, inner in getattr(command, "commands", {}).items():
        walk(inner, [*path, name])

out = {}
for one in COMMANDS:
    top = get_command(build([one.name]))
    walk(top.commands[one.name], [one.name])
print(json.dumps(out))
"""
"""Every command's help at several widths, by one process that makes each command once."""


def test_help_cuts_no_word_and_keeps_brackets() -> None:
    command = [sys.executable, "-c", HELPS, "400", *map(str, WIDTHS)]
    helps: dict[str, list[str]] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(helps) > len(COMMANDS)
    for name, (wide, *narrow) in helps.items():
        for width, text in zip(WIDTHS, narrow, strict=True):
            broken = {w for w in words(text) if not w.endswith("...")} - set(words(wide))
            assert not broken, f"{name}: {broken}\n{text}"
            assert "…" not in text
            assert max(map(len, text.splitlines())) <= width, f"{name}\n{text}"
    assert all("[bus]" in text for text in helps["fleet"])
