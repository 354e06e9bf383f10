"""The first drills of README and runbook, as they are printed: each shows its alarm within a minute of wall time."""

from __future__ import annotations

import time
from pathlib import Path

from tomato_host.twin.board_runtime import ON_BEFORE_S

from tests.incidents.running_host import RunningHost, until

MINUTE_S = 60.0
"""From the start of the host's process, on the wall."""
LEAK_S = 0.027 * 3_600.0 - ON_BEFORE_S + 5.0
"""When the leak of the drill is over; it begins with the board, before the host."""


class Drill:
    """A host on the virtual board, started as the pages print it."""

    def __init__(self, place: Path, scenario: str) -> None:
        self.host = RunningHost(place, "sim")
        self.began = time.monotonic()
        self.host.start(more=("--scenario", scenario))
        until(lambda: self.host.status()["tally"]["observations"] > 2, "a first state")

    def shows(self, name: str, word: str, level: str) -> None:
        """Wait for the alarm; it must be in the record within the minute."""
        until(
            lambda: [
                e
                for e in self.host.records("events")
                if e["name"] == name and word in e["text"] and e["level"] == level
            ],
            f"{name} {word}",
        )
        assert time.monotonic() - self.began < MINUTE_S, f"{name} {word} came too late"

    def end(self) -> None:
        self.host.end()


def test_the_leak_drill_shows_its_alarm_and_the_printed_way_back_is_one(tmp_path: Path) -> None:
    drill = Drill(tmp_path, "leak@0+0.027")
    try:
        drill.host.command("water", "200", "--reason", "leak drill")
        drill.shows("fault", "leak", "ALARM")
        until(lambda: drill.host.get("/api/glance")["status"]["mode"] == "SAFE", "safe mode")
        time.sleep(max(0.0, LEAK_S - (time.monotonic() - drill.began)))  # until the floor is dry
        pressed = drill.host.command("twin", "press", "button", "--for", "4s")
        assert pressed.returncode == 0, pressed.stderr
        cleared = drill.host.command("clear-fault", "leak")
        assert cleared.returncode == 0, cleared.stderr
        drill.host.stop()
    finally:
        drill.end()


def test_the_clogged_pump_of_the_readme_shows_itself_with_the_dose(tmp_path: Path) -> None:
    drill = Drill(tmp_path, "pump_clog@0")
    try:
        dose = drill.host.command("water", "100", "--reason", "drill")
        assert "E-OVERRIDE-ENDED" in dose.stderr and "no_flow" in dose.stderr and "ml delivered" in dose.stderr
        drill.shows("pulse_aborted", "no_flow", "WARNING")
        drill.host.stop()
    finally:
        drill.end()


def test_what_needs_no_water_shows_itself_at_once(tmp_path: Path) -> None:
    drill = Drill(tmp_path, "valve_stuck@0,sensor_dropout@0")
    try:
        drill.shows("fault", "stuck_valve", "ALARM")
        drill.shows("sensor_lost", "air_temp_c", "WARNING")
        drill.host.stop()
    finally:
        drill.end()


def test_a_reset_in_the_middle_of_a_dose_is_answered_with_what_is_not_known(tmp_path: Path) -> None:
    drill = Drill(tmp_path, "board_reset@0")
    try:
        dose = drill.host.command("water", "200", "--reason", "drill", seconds=60.0)
        assert "E-OVERRIDE-ENDED" in dose.stderr and "the board was reset" in dose.stderr, dose.stderr
        assert "how much of 200 ml was delivered is not known" in dose.stderr
        drill.shows("boot", "cause of the reset", "INFO")
        assert [a for a in drill.host.records("anomalies") if a["type"] == "MCU_RESET"]
        drill.host.stop()
    finally:
        drill.end()
