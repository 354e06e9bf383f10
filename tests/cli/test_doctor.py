"""The doctor looks, says how things are and why, and what to do; it changes nothing and never falls over."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from tomato_host import __version__
from tomato_host.cli import doctor
from tomato_host.cli.checks import board, data, machine, services
from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.service.tokens import TokenFile
from tomato_host.settings import Settings, SiteSettings, parse_settings
from tomato_host.storage.dataset import Dataset

from tests.cli.test_main import tomato_host
from tests.incidents.running_host import running_host
from tests.storage.samples import event

NAMES = (
    "Python",
    "Packages",
    "Clock",
    "Time zone",
    "Configuration",
    "Data directory",
    "Disk budget",
    "Dataset",
    "Boards",
    "udev rule",
    "Board",
    "MicroPython VM",
    "Weather",
    "MQTT broker",
    "Bus",
    "Notifications",
    "Language model",
    "Dashboard",
    "Service",
)
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Settings that need no network."""
    config = tmp_path / "quiet.toml"
    config.write_text("[weather]\nprovider = 'none'\n")
    return config


def test_a_healthy_machine_passes(tmp_path: Path, quiet: Path) -> None:
    place = tmp_path / "data"
    result = tomato_host("doctor", "--json", "--config", str(quiet), "--data-dir", str(place))
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 0, result.stdout
    assert set(NAMES) <= set(findings)
    assert findings["MicroPython VM"]["level"] == "ok"
    assert findings["MicroPython VM"]["text"].startswith("micropython 1.")
    assert not place.exists(), "looking changes nothing"
    for finding in findings.values():
        assert finding["text"] and (finding["level"] == "ok" or finding["next_step"]), finding


def test_a_wrong_settings_file_and_place_are_problems_with_a_next_step(tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text("[site]\nlatitude_deg = 99.0\n")
    (tmp_path / "file").write_text("")
    result = tomato_host("doctor", "--json", "--config", str(config), "--data-dir", str(tmp_path / "file" / "data"))
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 1
    for name in ("Configuration", "Data directory"):
        assert findings[name]["level"] == "problem"
        assert findings[name]["next_step"]


def test_the_table_is_for_people(tmp_path: Path, quiet: Path) -> None:
    result = tomato_host("doctor", "--config", str(quiet), "--data-dir", str(tmp_path))
    assert result.returncode == 0 and "next step" in result.stdout and "Traceback" not in result.stderr


def test_brackets_survive_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    doctor._print_table([Diagnosis("Weather", "note", "away", "set [weather]")])
    assert "[weather]" in capsys.readouterr().out


def test_with_a_running_host_it_asks_the_host(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _):
        output = host.command("doctor", "--json", "--config", str(host.config))
        findings = {finding["name"]: finding for finding in json.loads(output.stdout)}
        assert findings["Board"]["level"] == "ok", findings["Board"]
        assert findings["Board"]["text"] == "the running host says LEASED, no fault"
        assert "a host is writing" in findings["Dataset"]["text"]
        host.stop()
        output = host.command("doctor", "--json", "--config", str(host.config), "--port", host.board)
        findings = {finding["name"]: finding for finding in json.loads(output.stdout)}
        assert findings["Board"]["level"] == "ok" and f"firmware {__version__}, schema " in findings["Board"]["text"]
        assert "all intact" in findings["Dataset"]["text"]


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MIN_FREE_MB", 10**9)
    assert data.check_data_dir(tmp_path).level == "problem"


def test_a_check_that_fails_is_a_finding() -> None:
    def broken() -> Diagnosis:
        raise RuntimeError("the bus is on fire")

    (found,) = doctor.examine([("Bus", broken)])
    assert (found.name, found.level) == ("Bus", "problem") and "the bus is on fire" in found.text


def test_missing_and_old_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["pydantic>=99.0", "no-such-thing>=1", "x>=2; extra == 'y'"])
    found = machine.check_packages()
    assert found.level == "problem" and "older than 99.0" in found.text and "no-such-thing is missing" in found.text
    assert "x is missing" not in found.text
    monkeypatch.undo()
    assert machine.check_packages().level == "ok"


@pytest.mark.parametrize(
    ("newest", "synchronised", "level"),
    [
        (None, True, "ok"),
        (None, None, "ok"),
        (None, False, "note"),
        (NOW - timedelta(hours=1), True, "ok"),
        (NOW + timedelta(hours=1), True, "problem"),
    ],
)
def test_the_clock(
    monkeypatch: pytest.MonkeyPatch, newest: datetime | None, synchronised: bool | None, level: str
) -> None:
    monkeypatch.setattr(machine, "_synchronised", lambda: synchronised)
    assert machine.check_clock(newest, NOW).level == level
    assert machine.check_clock(None, NOW.replace(year=2000)).level == "problem"


def test_the_plants_time_zone() -> None:
    assert "Europe/Vienna, 14:00 there now (+0200)" in machine.check_time_zone(SiteSettings(), NOW).text


def test_a_damaged_dataset_is_named_by_its_line(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        for number in range(5):
            dataset.append(event(number))
        assert data.check_integrity(tmp_path).text == "a host is writing to it"
    assert data.check_integrity(tmp_path).level == "ok"
    (path,) = (tmp_path / "private").glob("events_*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    found = data.check_integrity(tmp_path)
    assert found.level == "problem" and path.name in found.text


def test_the_udev_rule(tmp_path: Path) -> None:
    assert board.check_udev((tmp_path / "none",)).level == "note"
    assert board.check_udev((tmp_path,)).level == "note"
    (tmp_path / board.RULE_NAME).write_text("")
    assert board.check_udev((tmp_path,)).level == "ok"


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    found = board.check_board(str(tmp_path / "ttyNone"), tmp_path)
    assert found.level == "problem" and "no port" in found.text


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(**sections: object) -> Settings:
    return parse_settings(dict(sections))


def test_brokers_that_are_there_and_not(listening: int) -> None:
    assert services.check_mqtt(settings()).level == services.check_bus(settings().bus).level == "ok"
    deaf = settings(mqtt={"enabled": True, "port": listening})
    gone = settings(mqtt={"enabled": True, "port": closed_port()})
    assert services.check_mqtt(deaf).level == "problem", "a port that accepts connections is not yet a broker"
    assert services.check_mqtt(gone).level == "problem"
    assert "[mqtt]" in services.check_mqtt(gone).next_step


def test_weather_that_cannot_be_reached_is_worth_knowing_and_no_more(listening: int) -> None:
    host = settings(weather={"geosphere_url": f"http://127.0.0.1:{listening}/v1"})
    away = settings(weather={"geosphere_url": f"http://127.0.0.1:{closed_port()}/v1"})
    assert (services.check_weather(host).level, services.check_weather(away).level) == ("ok", "note")


def test_messages_without_an_address(tmp_path: Path) -> None:
    on = settings(notify={"enabled": True})
    assert services.check_notifications(settings(), {}).level == "note"
    assert services.check_notifications(on, {}).level == "problem"
    secret = services.check_notifications(on, {"TOMATO_NOTIFY_URLS": "ntfys://ntfy.sh/geheim"})
    assert secret.level == "ok" and "geheim" not in secret.text


def test_a_model_that_is_not_where_the_settings_say(tmp_path: Path, listening: int) -> None:
    absent = settings(agent={"backend": "local", "model_path": tmp_path / "no.gguf"})
    found = services.check_model(absent)
    assert found.level == "problem" and "no.gguf" in found.text and found.next_step
    assert services.check_model(settings()).level == "ok"
    served = settings(agent={"backend": "http", "endpoint_url": f"http://127.0.0.1:{listening}/v1"})
    nobody = settings(agent={"backend": "http", "endpoint_url": f"http://127.0.0.1:{closed_port()}/v1"})
    assert (services.check_model(served).level, services.check_model(nobody).level) == ("ok", "problem")


def test_open_to_the_network_without_a_token(tmp_path: Path) -> None:
    open_to_all, local = settings(service={"host": "0.0.0.0"}), settings()
    assert services.check_tokens(open_to_all, tmp_path).level == "problem"
    assert services.check_tokens(local, tmp_path).level == "note"
    secret = TokenFile(tmp_path).create("ana", "view")
    found = services.check_tokens(open_to_all, tmp_path)
    assert found.level == "ok" and "ana (view)" in found.text and secret not in found.text


@pytest.mark.parametrize(
    ("load", "active", "enabled", "restarts", "level"),
    [
        ("loaded", "active", "enabled", "0", "ok"),
        ("loaded", "active", "enabled", "7", "note"),
        ("loaded", "failed", "enabled", "3", "problem"),
        ("loaded", "inactive", "enabled", "0", "note"),
        ("loaded", "active", "disabled", "0", "note"),
        ("not-found", "inactive", "", "0", "note"),
    ],
)
def test_the_service(load: str, active: str, enabled: str, restarts: str, level: str) -> None:
    output = f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\nNRestarts={restarts}\n"
    assert services.judge_service(output).level == level
    assert services.judge_service("").level == "note"
