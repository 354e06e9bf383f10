"""`tomato-host demo`: records that verify and replay, then a page that lives at 60 times the pace."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tomato_host.brain.settings import DEFAULT_TENT
from tomato_host.cli import main
from tomato_host.service.tokens import TokenFile

from tests.free_ports import free_port

COMMAND = (sys.executable, "-m", "tomato_host", "demo")


def post(port: int, token: str, path: str, body: dict[str, object]) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


def get(port: int, path: str, token: str) -> dict[str, Any]:
    request = Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=5) as answer:
        return dict(json.load(answer))


def wait_for(port: int, seen: Callable[[dict[str, Any]], bool]) -> None:
    """Until the page's first answer shows it, within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urlopen(f"http://127.0.0.1:{port}/api/glance", timeout=5) as answer:
            glance = json.load(answer)
        if seen(glance):
            return
        time.sleep(0.3)
    raise AssertionError(f"not seen within a minute: {glance['devices']['faults']} {glance['anomalies']}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One day, made once for this file."""
    data = tmp_path_factory.mktemp("demo") / "tent"
    done = subprocess.run(
        [*COMMAND, "--data-dir", data, "--days", "1", "--no-live", "--json"], capture_output=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["days"] == 1.0 and told["data_dir"] == str(data)
    return data


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return int(ended.value.code or 0)


def test_the_days_verify_and_replay_to_the_byte(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("journal", "add", "--task", "planted", "--data-dir", str(made)) == 0, "a person's words change neither"
    assert run("dataset", "verify", str(made)) == 0
    assert run("replay", "--check", str(made)) == 0
    assert "the same, byte for byte" in capsys.readouterr().out


def test_an_earlier_demo_goes_on_and_a_foreign_directory_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.stat().st_size for path in made.rglob("*.jsonl"))
    assert run("demo", "--data-dir", str(made), "--no-live") == 0
    assert "goes on" in capsys.readouterr().out
    assert sorted(path.stat().st_size for path in made.rglob("*.jsonl")) == before, "nothing was made again"
    (tmp_path / "letters.txt").write_text("mine")
    assert run("demo", "--data-dir", str(tmp_path), "--no-live") == 2
    assert "holds no demo" in capsys.readouterr().err and (tmp_path / "letters.txt").read_text() == "mine"


def moments_of_the_tent(port: int, wanted_s: float) -> list[datetime]:
    """What the page shows as now, until `wanted_s` of the tent's time have passed, a minute of ours at most."""
    seen: list[datetime] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (len(seen) < 2 or (seen[-1] - seen[0]).total_seconds() < wanted_s):
        time.sleep(0.3)
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/glance", timeout=2) as answer:
                now = json.load(answer)["status"].get("now")
        except OSError:
            continue
        seen += [datetime.fromisoformat(now)] if now else []
    return seen


def test_the_page_lives_at_sixty_times_the_pace(made: Path, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "tomato.toml"
    config.write_text(f"[service]\nport = {port}\n")
    process = subprocess.Popen(
        [*COMMAND, "--data-dir", made, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        seen = moments_of_the_tent(port, wanted_s=120.0)
        assert (seen[-1] - seen[0]).total_seconds() >= 120, "two minutes of the tent in seconds"
        with urlopen(f"http://127.0.0.1:{port}/api/history?span=7d", timeout=5) as answer:
            assert len(json.load(answer)["t"]) >= 20, "the day that was made is on the charts"
        with urlopen(f"http://127.0.0.1:{port}/api/glance", timeout=5) as answer:
            shown = json.load(answer)
        assert shown["targets"] and shown["actions"], "what is still valid follows the tent's time, not the machine's"
        watered = subprocess.run(
            [*COMMAND[:-1], "water", "60", "--data-dir", made, "--reason", "test"], capture_output=True, text=True
        )
        assert watered.returncode == 0, watered.stderr
        assert "delivered" in watered.stdout, "a person's request is dated by the tent's time"
        token = TokenFile(made).create("ana", "operate")
        at = f"/api/world/{DEFAULT_TENT}/agents/api"
        fan: dict[str, object] = {
            "id": "fan-1",
            "kind": "SET_CIRCULATION_FAN",
            "payload": {"state": "ON", "seconds": 60.0},
        }
        assert post(port, token, f"{at}/intents", fan)["status"] == "accepted", "the world keeps the tent's pace"
        viewed_s = get(port, f"{at}/view", token)["sim_time_s"]  # the moment of its last visible change
        assert abs(viewed_s - seen[-1].timestamp()) < 7_200, "what an agent sees has the tent's time"
        entry = post(port, token, "/api/journal", {"kind": "note", "text": "Looks well."})
        with urlopen(f"http://127.0.0.1:{port}/api/journal", timeout=5) as answer:
            (written,) = [one for one in json.load(answer)["entries"] if one["id"] == entry["id"]]
        assert written["by"] == "ana" and written["ts"][-6:] in ("+01:00", "+02:00"), "with the offset of the plants"
        assert abs((datetime.fromisoformat(written["ts"]) - seen[-1]).total_seconds()) < 7_200, "in the tent's time"
        pause = post(port, token, "/api/mode", {"mode": "PAUSED", "hours": 1.0, "reason": "look"})
        with urlopen(f"http://127.0.0.1:{port}/api/glance", timeout=5) as answer:
            now = datetime.fromisoformat(json.load(answer)["status"]["now"])
        told = re.search(r"PAUSED until (\d\d):(\d\d)", pause["text"])
        assert told is not None, pause["text"]
        minutes = (int(told[1]) * 60 + int(told[2]) - now.hour * 60 - now.minute) % 1_440
        assert 20 <= minutes <= 65, "an hour of the tent; two weeks and an hour were cut to a day"
        post(port, token, "/api/demo/fault", {"fault": "probe_disconnect", "minutes": 600.0})
        post(port, token, "/api/demo/press", {"input": "estop", "seconds": 20.0})
        wait_for(port, lambda glance: "estop" in [fault["name"] for fault in glance["devices"]["faults"]])
        wait_for(port, lambda glance: any(one["subject"] == "soil.P1" for one in glance["anomalies"]))
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out.decode()
    assert f"http://127.0.0.1:{port}" in out.decode()
    assert run("dataset", "verify", str(made)) == 0
    assert run("replay", "--check", str(made)) == 0, "with a person's requests and an agent's intent"
