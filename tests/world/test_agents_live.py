"""A running host on the virtual board: agents are added, bounded, put in shadow, quarantined; a restart knows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.incidents.running_host import ROOT, RunningHost, running_host, until


def propose(host: RunningHost, name: str, intent_id: str, *words: str) -> str:
    """What the host answers to a proposal, on either stream."""
    done = host.command("world", "propose", name, *words, "--id", intent_id)
    return done.stdout + done.stderr


def test_agents_of_a_running_host(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, tent):
        until(
            lambda: (
                host.status()["board_state"] == "LEASED" if "board_state" in host.status() else host.records("states")
            )
        )
        added = host.command(
            "world", "add", "sitter", "--origin", "api", "--policy", "sitter", "--may", "SET_CIRCULATION_FAN",
            "--intents-per-hour", "2", "--reason", "holiday",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        assert "NOT_PERMITTED" in propose(host, "sitter", "s-0", "SET_LIGHT", "--seconds", "60")
        fan = propose(host, "sitter", "s-1", "SET_CIRCULATION_FAN", "--seconds", "60")
        assert "NOT_PERMITTED" not in fan and "QUOTA" not in fan
        propose(host, "sitter", "s-2", "SET_CIRCULATION_FAN", "--seconds", "60")
        assert "QUOTA_EXCEEDED" in propose(host, "sitter", "s-3", "SET_CIRCULATION_FAN", "--seconds", "60")
        propose(host, "policy", "p-1", "SET_HUMIDIFIER", "--seconds", "60")
        shadow = next(a for a in host.records("actions") if a["agent"] == "policy")
        assert shadow["shadow"] is True and shadow["outcome"] is None and not tent.on("humidifier")
        assert host.command("world", "quarantine", "sitter", "--reason", "too often").returncode == 0
        assert "QUARANTINED" in propose(host, "sitter", "s-4", "SET_CIRCULATION_FAN", "--seconds", "60")
        host.kill()
        host.start()
        assert "QUARANTINED" in propose(host, "sitter", "s-5", "SET_CIRCULATION_FAN", "--seconds", "60")
        rows = json.loads(host.command("world", "agents", "--json").stdout)
        assert {row["name"]: row["state"] for row in rows}["sitter"] == "quarantined"
        assert host.command("world", "release", "sitter").returncode == 0
        unknown = host.command("world", "release", "stranger")
        assert unknown.returncode == 2 and "E-WORLD-AGENT" in unknown.stderr
        assert [a["agent"] for a in host.records("actions") if a["origin"] == "api"].count("sitter") >= 5
        host.stop()
        host.assert_whole()
    checked = subprocess.run(
        [sys.executable, "-m", "tomato_host", "replay", str(host.data), "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
