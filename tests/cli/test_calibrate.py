"""Calibrating against the real firmware on the virtual board, in lock step; and what scripts are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tomato_host.board.calibration import pump_values, soil_values
from tomato_host.board.events import Sample
from tomato_host.board.port import SerialPort
from tomato_host.board.session import BoardSession
from tomato_host.cli import board_client, calibrate
from tomato_host.cli.board_client import DirectClient
from tomato_host.cli.clear_fault import clear_fault
from tomato_host.errors import TomatoError
from tomato_host.twin.lockstep import LockStep
from typer.testing import CliRunner

HERE = ("--port", "board")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DirectClient]:
    """A bench on the virtual board; waiting is what moves its time."""
    twin = LockStep(seed=5, flash=tmp_path)
    port = SerialPort.open(twin.port_path)
    session = BoardSession(lambda: port, 77)
    session.open_now()

    def wait(seconds: float) -> None:
        port.flush()
        twin.advance(twin.now_ms + round(seconds * 1000), port.bytes_written)

    made = DirectClient(session, lambda: twin.now_ms, wait)
    made.connect()
    yield made
    session.close()
    twin.close()


def test_the_board_reads_a_probe_and_takes_the_two_points(bench: DirectClient) -> None:
    raw = bench.raw_count(1)
    assert 20_000 < raw < 53_000
    values = soil_values(1, 51_000, 24_000, 5.0, 48.0)
    bench.configure(values)
    for key, value in values.items():
        assert bench.result(bench.session.configure(key, None)).value == value


def test_points_the_other_way_round_are_refused_by_the_host_and_by_the_board(bench: DirectClient) -> None:
    with pytest.raises(TomatoError, match="swapped"):
        soil_values(1, 24_000, 51_000, 5.0, 48.0)
    swapped = {"soil_p1_dry_raw": 24_000, "soil_p1_wet_raw": 51_000}
    with pytest.raises(TomatoError, match="bad_value") as raised:
        bench.configure(swapped)
    assert "soil_p1_wet_raw" in str(raised.value)
    assert bench.settings(("soil_p1_wet_raw",)) == {"soil_p1_wet_raw": 0}, "without points, and so it says"


def test_calibrating_one_probe_leaves_the_other_alone(bench: DirectClient) -> None:
    def moistures() -> tuple[float, float]:
        sample = bench.until(lambda e: e if isinstance(e, Sample) and not e.backlog else None, 30_000)
        return sample.values["soil_p1_pct"], sample.values["soil_p2_pct"]

    bench.until(lambda e: None, 3_000)
    first, second = moistures()
    bench.configure(soil_values(1, 51_000, 24_000, 5.0, 48.0))
    bench.until(lambda e: None, 12_000)
    first_then, second_then = moistures()
    assert abs(first_then - first) > 5.0
    assert second_then == pytest.approx(second, abs=0.5)


def test_any_old_points_give_way_to_any_new_ones(bench: DirectClient) -> None:
    for dry, wet in ((15_000, 5_000), (60_000, 40_000), (15_000, 5_000)):
        values = soil_values(2, dry, wet, 5.0, 48.0)
        bench.configure(values)
        assert bench.settings(tuple(values)) == values


def test_the_pump_runs_once_and_the_rate_is_taken(bench: DirectClient) -> None:
    bench.until(lambda event: None, 62_000)
    seconds = bench.dose(100)
    assert 2.0 < seconds <= 10.0
    values = pump_values(seconds, 100.0)
    bench.until(lambda event: None, 1_000)
    bench.configure(values)
    assert bench.result(bench.session.configure("pump_ul_per_s", None)).value == values["pump_ul_per_s"]


def test_a_dose_before_its_pause_is_refused_by_name(bench: DirectClient) -> None:
    bench.until(lambda event: None, 5_000)
    with pytest.raises(TomatoError, match="min_pause") as raised:
        bench.dose(100)
    assert raised.value.code == "E-BOARD-REFUSED"


def test_the_board_refuses_a_rate_far_from_its_nameplate(bench: DirectClient) -> None:
    with pytest.raises(TomatoError, match="bad_value"):
        bench.configure(pump_values(10.0, 990.0))


def test_latched_faults_are_listed_and_cleared_by_name(bench: DirectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_client, "open_direct_client", lambda port: bench)
    monkeypatch.setattr(bench.session, "close", lambda: None)
    app = typer.Typer()
    app.command()(clear_fault)
    reported = CliRunner().invoke(app, ["--json", "--port", "board"])
    assert json.loads(reported.stdout)["faults"] == []
    refused = CliRunner().invoke(app, ["leak", "--port", "board"])
    assert isinstance(refused.exception, TomatoError)
    assert "not_latched" in str(refused.exception)
    assert "latched: nothing" in CliRunner().invoke(app, ["--port", "board"]).stdout


@pytest.mark.parametrize(
    ("dry", "wet", "dry_pct", "wet_pct"),
    [
        (50_000, 49_000, 5.0, 45.0),
        (49_000, 50_000, 5.0, 45.0),
        (24_000, 51_000, 5.0, 45.0),
        (50_000, 70_000, 5.0, 45.0),
        (50_000, 20_000, -1.0, 45.0),
        (50_000, 20_000, 31.0, 45.0),
        (50_000, 20_000, 5.0, 30.0),
        (50_000, 20_000, 5.0, 101.0),
    ],
)
def test_points_that_make_no_sense(dry: int, wet: int, dry_pct: float, wet_pct: float) -> None:
    with pytest.raises(TomatoError) as raised:
        soil_values(1, dry, wet, dry_pct, wet_pct)
    assert raised.value.code == "E-CALIBRATE-RANGE"


def test_pump_values() -> None:
    assert pump_values(10.0, 187.0) == {"pump_ul_per_s": 18_700}
    for seconds, ml in ((0.0, 100.0), (-1.0, 100.0), (10.0, 5.0), (1.0, 300.0)):
        with pytest.raises(TomatoError):
            pump_values(seconds, ml)


def test_a_script_must_give_every_value() -> None:
    outcome = CliRunner().invoke(calibrate.app, ["soil", "--probe", "1", "--dry-raw", "50000", "--json"])
    assert isinstance(outcome.exception, TomatoError)
    assert outcome.exception.code == "E-CALIBRATE-VALUE"
    assert "--wet-raw" in str(outcome.exception)
    outcome = CliRunner().invoke(calibrate.app, ["pump", "--seconds", "10", "--json"])
    assert isinstance(outcome.exception, TomatoError)


def test_without_a_port_the_next_step_is_told(tmp_path: Path) -> None:
    words = ["pump", "--seconds", "10", "--ml", "187", "--json", "--data-dir", str(tmp_path)]
    outcome = CliRunner().invoke(calibrate.app, words)
    assert isinstance(outcome.exception, TomatoError)
    assert outcome.exception.code == "E-PORT-MISSING"


def test_the_wizard_and_the_script_say_what_the_board_took(
    bench: DirectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_client, "open_direct_client", lambda port: bench)
    monkeypatch.setattr(bench.session, "close", lambda: None)
    script = CliRunner().invoke(calibrate.app, ["pump", *HERE, "--seconds", "10", "--ml", "187", "--json"])
    assert json.loads(script.stdout) == {"set": {"pump_ul_per_s": 18_700}}
    words = ["soil", *HERE, "--probe", "2", "--wet-raw", "20000"]
    aborted = CliRunner().invoke(calibrate.app, words, input="y\n5\n45\nn\n")
    assert aborted.exit_code == 1 and bench.settings(("soil_p2_wet_raw",)) == {"soil_p2_wet_raw": 22_000}
    wizard = CliRunner().invoke(calibrate.app, words, input="y\n5\n45\ny\n")
    assert wizard.exit_code == 0, wizard.output
    assert "The dry point reads" in wizard.stdout and "soil_p2_wet_pct = 4500" in wizard.stdout
    before, _, after = wizard.stdout.partition("Write it?")
    assert "soil_p2_wet_pct: 100 -> 45 %" in before and "The board accepted" in after
    assert "at 20000 counts probe 2 reads 100.0 % now, 45.0 % then" in before and "probe 1" not in before
    bench.until(lambda event: None, 62_000)
    pumped = CliRunner().invoke(calibrate.app, ["pump", *HERE, "--dose-ml", "50"], input="y\n50\ny\n")
    assert pumped.exit_code == 0, pumped.output
    assert "pump_ul_per_s" in pumped.stdout
