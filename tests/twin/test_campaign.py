"""Campaigns: the matrix, the same results for any number of processes, the report, clear errors."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from tomato_host.brain.brain import CONTROLLERS
from tomato_host.brain.control.settings import ControlSettings, PolicyName
from tomato_host.brain.step_data import BrainSettings
from tomato_host.errors import TomatoError
from tomato_host.parallel.tasks import Workers, run_tasks
from tomato_host.twin.campaign import compare, matrix, report
from tomato_host.twin.campaign.chart import day_chart
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent


def test_the_matrix_is_complete_and_in_order() -> None:
    todo = matrix.cells(("rules", "timer"), ("calm", "leak"), range(3), 1.0, 60.0)
    assert len(todo) == 12 and len(set(todo)) == 12
    assert [c.chart for c in todo].count(True) == 2, "one course for each controller"


def test_results_do_not_depend_on_the_number_of_processes() -> None:
    todo = matrix.cells(("rules", "timer"), ("calm", "leak@1"), range(1), 0.15, 120.0)
    alone, together = (
        {found.item_index: found.value for found in run_tasks(matrix.simulate, todo, Workers(jobs))} for jobs in (1, 2)
    )
    assert alone == together
    assert {o.row["broken"] for o in alone.values()} == {""}


@pytest.mark.parametrize("controller", sorted(CONTROLLERS))
def test_no_figure_of_a_controller_without_foresight_rests_on_a_forecast(controller: PolicyName) -> None:
    cell = matrix.Cell(controller, "dry_inflow@3,pump_clog@5+2", 3, 0.9, 300.0)
    run = matrix.begin(cell)
    foreseeing = matrix.observe_run(run, cell)
    assert run.brain.forecast_state.nights == 1 and run.brain.forecasts.prediction is not None
    assert matrix.simulate(cell) == foreseeing


def test_a_day_of_light_is_given_and_water_when_dry() -> None:
    twin = SimulatedTent(1, TentParams(theta_0=0.22), start=matrix.START, period_s=60.0)
    run = TentRun(twin, BrainSettings(control=ControlSettings(policy="rules")))
    light_min = 0
    for _ in range(1_440):
        assert run.step() is not None
        light_min += twin.world.outputs & 1
    assert 15.5 <= light_min / 60.0 <= 18.0
    assert twin.world.tent.truth().pumped_ml > 150.0
    assert twin.world.safety.broken() == [] and twin.world.tent.truth().drained_ml < 50.0


def test_a_lost_link_is_lived_through() -> None:
    twin = SimulatedTent(1, scenario="link_cut@0.5+0.5", start=matrix.START, period_s=60.0)
    run = TentRun(twin, BrainSettings())
    seen = [run.step() for _ in range(120)]
    assert all(t is not None for t in seen)
    assert twin.now_ms > 120 * 60_000, "time passed unobserved"
    assert twin.world.outputs & 1, "the lamp came back with the link"


def test_the_comparison_tells_light_hours_in_band_and_damp_air() -> None:
    figures = {
        **dict.fromkeys((figure for figure, _ in compare.COSTS), 1.0),
        **dict.fromkeys(("plant_stress_h", "plant_margin_stress_h", "plant_strict_stress_h"), 1.0),
        "vpd_in_band_h": 9.0,
        "water_ml": 9.0,
        "switches": 9.0,
        "lamp_h": 16.0,
    }
    run = [("mpc", 0, 12.0, 3.5), ("mpc", 1, 8.0, 2.0), ("rules", 0, 16.0, 0.0), ("rules", 1, 8.0, 2.5)]
    rows = [
        figures | {"controller": who, "scenario": "calm", "seed": seed, "lamp_in_band_h": band, "damp_longest_h": damp}
        for who, seed, band, damp in run
    ]
    assert "| calm | 62%, 75% | 50% | 3.5, 2.5 | 1, 1 of 2 |" in compare.section(rows)
    in_the_dark = compare.section([row | {"lamp_h": 0.0, "lamp_in_band_h": 0.0} for row in rows])
    assert in_the_dark and not any("of 2 |" in line for line in in_the_dark), "no light hours, no shares of them"


def test_report_parquet_and_chart(tmp_path: Path) -> None:
    todo = matrix.cells(("rules", "timer"), ("calm",), range(2), 0.1, 120.0)
    outcomes = [matrix.simulate(cell) for cell in todo]
    report.write_parquet([o.row for o in outcomes], tmp_path / "runs.parquet")
    assert pq.read_table(tmp_path / "runs.parquet").num_rows == 4
    text = report.write_report(outcomes, tmp_path).read_text()
    assert "| rules | 2 |" in text and "| timer | 2 |" in text and "Kept in all 4 runs" in text
    root = ElementTree.fromstring((tmp_path / "day.svg").read_text())
    assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 8, "four panels, two controllers"


def test_a_chart_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        day_chart("x", [("air", [("rules", [])])])


@pytest.mark.parametrize("seeds", ["", "x", "5-3", "0-99999", "-1"])
def test_bad_seeds_are_refused(seeds: str) -> None:
    with pytest.raises(TomatoError) as caught:
        matrix.read_seeds(seeds)
    assert caught.value.code == "E-CAMPAIGN"


def test_words_are_read() -> None:
    assert matrix.read_seeds("7") == range(7, 8) and matrix.read_seeds("0-31") == range(32)
    assert matrix.read_scenarios("calm/leak@1,heatwave") == ("calm", "leak@1,heatwave")
    assert len(matrix.read_scenarios("all")) == 20
    assert matrix.read_controllers("all") == matrix.CONTROLLERS
    with pytest.raises(TomatoError):
        matrix.read_controllers("magic")
    with pytest.raises(TomatoError):
        matrix.read_scenarios("calm/hailstorm")


def test_the_command_writes_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "c"
    loaded = "print('Dask:', sorted({'dask', 'distributed'} & set(sys.modules)), file=sys.stderr)"
    start = f"import atexit, sys; atexit.register(lambda: {loaded}); from tomato_host.cli.main import main; main()"
    command = [sys.executable, "-c", start, "campaign", "--days", "0.05", "--seeds", "3", "--json", "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert '"runs": 1' in run.stdout and '"workers": {"here": 1}' in run.stdout
    assert "Dask: []" in run.stderr, "without --scheduler the extra is not touched"
    assert {p.name for p in out.iterdir()} == {"runs.jsonl", "runs.parquet", "report.md", "day.svg"}


def test_a_stopped_campaign_goes_on_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Stopped in its middle, resumed, and the same as one that was never stopped; other code's runs are refused."""

    def command(out: Path, *more: str) -> list[str]:
        start = "from tomato_host.cli.main import main; main()"
        return [sys.executable, "-c", start, "campaign", "--days", "0.3", "--seeds", "0-3", "--out", str(out), *more]

    whole, torn = tmp_path / "whole", tmp_path / "torn"
    subprocess.run(command(whole, "--json"), check=True, capture_output=True, timeout=120)
    with subprocess.Popen(command(torn, "-j", "2"), stderr=subprocess.PIPE, text=True) as stopped:
        assert stopped.stderr is not None
        assert "campaign 1/4" in stopped.stderr.readline()
        children = children_of(stopped.pid)
        tracker = [pid for pid in children if b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        stopped.terminate()
        assert stopped.wait(60) == 130
        assert "--resume" in stopped.stderr.read()
    assert len(tracker) < len(children) and not any(is_alive(pid) for pid in children if pid not in tracker)
    assert all_end_within(10.0, tracker)
    before = len((torn / "runs.jsonl").read_text().splitlines()) - 1
    assert 1 <= before < 4
    with (torn / "runs.jsonl").open("a") as file:
        file.write('{"cell": {"contr')
    subprocess.run(command(torn, "--resume", "--json"), check=True, capture_output=True, timeout=120)
    assert (torn / "report.md").read_bytes() == (whole / "report.md").read_bytes()
    assert pq.read_table(torn / "runs.parquet").equals(pq.read_table(whole / "runs.parquet"))

    kept_by_others = torn / "runs.jsonl"
    kept_by_others.write_text('{"code": "x"}\n')
    refused = subprocess.run(command(torn, "--resume"), capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2 and "E-CAMPAIGN" in refused.stderr + refused.stdout


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def all_end_within(seconds: float, pids: list[int]) -> bool:
    """Python's own resource tracker sees that its parent has ended, and ends a moment after it."""
    until = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
