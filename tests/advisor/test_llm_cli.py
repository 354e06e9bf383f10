"""`tomato-host llm` and `tomato-host memory` with the tiny model, with none, and with files that are not there."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from tomato_host.advisor.evaluation.scores import brier, calibration_error, field_score, right
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.settings import MEMORY_FILE
from tomato_host.cli import llm, memory
from tomato_host.errors import TomatoError
from tomato_host.settings import parse_settings
from typer.testing import CliRunner

from tests.advisor.pictures import YELLOW, black, jpeg, plant
from tests.advisor.wakes import TS

RUN = CliRunner()


@pytest.fixture
def config(tiny_files: tuple[Path, Path], tmp_path: Path) -> Path:
    """A settings file for the tiny model."""
    path = tmp_path / "tomato.toml"
    path.write_text(
        f'[advisor]\nbackend = "local"\nmodel_path = "{tiny_files[0]}"\nprojector_path = "{tiny_files[1]}"\n'
        "image_tokens_max = 16\ntemperature = 1.0\nthreads = 1\n"
    )
    return path


def test_without_a_model_status_names_the_files_and_the_memory() -> None:
    shown = RUN.invoke(llm.app, ["status"])
    assert shown.exit_code == 0
    for part in ("Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf", "mmproj", "9.5 GB", "everything else works"):
        assert part in shown.output


def test_status_of_a_complete_model_as_json(config: Path) -> None:
    found = json.loads(RUN.invoke(llm.app, ["status", "--config", str(config), "--json"]).output)
    assert found["complete"] and found["advice"] is None and found["backend"] == "local"
    assert all(file["bytes"] for file in found["files"])


@pytest.mark.parametrize("command", ["check", "bench"])
def test_what_is_missing_is_an_error_with_a_next_step(command: str, tmp_path: Path) -> None:
    error = RUN.invoke(llm.app, [command]).exception
    assert isinstance(error, TomatoError) and error.code == "E-LLM-NONE"
    path = tmp_path / "t.toml"
    path.write_text('[advisor]\nbackend = "local"\nmodel_path = "/nowhere/model.gguf"\n')
    error = RUN.invoke(llm.app, [command, "--config", str(path)]).exception
    assert isinstance(error, TomatoError) and error.code == "E-LLM-FILES" and "/nowhere/model.gguf" in str(error)


def test_check_and_bench_ask_text_and_photo(config: Path) -> None:
    checked = RUN.invoke(llm.app, ["check", "--config", str(config)])
    assert checked.exit_code == 0 and "a photo: answered in form" in checked.output
    timed = json.loads(RUN.invoke(llm.app, ["bench", "--config", str(config), "--rounds", "1", "--json"]).output)
    assert [t["what"] for t in timed["timings"]] == ["text", "a photo"]
    assert all(t["total_s"] > 0 and t["prompt_per_s"] for t in timed["timings"])


@pytest.mark.tight
def test_eval_writes_a_report_over_labelled_photos(config: Path, tmp_path: Path) -> None:
    labels = [("green.jpg", plant(1), "green"), ("yellow.jpg", plant(2, leaf=YELLOW), "yellowing"), ("b.jpg", black(), "unknown")]  # fmt: skip # noqa: E501
    with open(tmp_path / "labels.jsonl", "w") as file:
        for name, pixels, colour in labels:
            (tmp_path / name).write_bytes(jpeg(pixels))
            file.write(json.dumps({"file": name, "leaf_color": colour, "wilting": False}) + "\n")
    report = tmp_path / "report.md"
    argv = ["eval", str(tmp_path), "--config", str(config), "--report", str(report), "--cancel-trials", "1", "--json"]
    done = RUN.invoke(llm.app, argv)
    figures = json.loads(done.output)
    assert figures["photos"] == 3 and figures["json_validity"] == 1.0
    assert figures["fields"]["leaf_color"]["asked"] == 2 and figures["fields"]["fruit_count_est"]["asked"] == 0
    assert figures["cancel_p95_s"] < 0.1 and 0.0 <= figures["injection_flip_rate"] <= 1.0
    page = report.read_text()
    assert page.startswith("# Evaluation of tiny-qwen2vl.gguf") and "| leaf_color | 2 |" in page


def test_eval_of_a_folder_without_labels_says_what_to_write(config: Path, tmp_path: Path) -> None:
    error = RUN.invoke(llm.app, ["eval", str(tmp_path), "--config", str(config)]).exception
    assert isinstance(error, TomatoError) and error.code == "E-LLM-LABELS"


def test_scores() -> None:
    score = field_score("leaf_color", [("green", "green"), ("unknown", "green"), ("spots", "green"), ("green", None)])
    assert (score.asked, score.answered, score.right) == (3, 2, 1)
    assert score.accuracy == 0.5 and score.abstention == pytest.approx(1 / 3)
    assert right("fruit_count_est", 9, 10) and right("fruit_count_est", 1, 0) and not right("fruit_count_est", 4, 10)
    assert brier([(1.0, True), (0.0, False)]) == 0.0 and brier([(0.5, True)]) == 0.25 and brier([]) is None
    assert calibration_error([(0.9, True), (0.9, False)]) == pytest.approx(0.4)
    assert calibration_error([(1.0, True)]) == 0.0 and calibration_error([]) is None


def test_memory_search(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path.joinpath(*MEMORY_FILE))
    store.add_episode("w-1", datetime.fromisoformat(TS), "summary", "decided", "lower leaves turn yellow", "{}")
    store.close()
    where = ["--data-dir", str(tmp_path)]
    assert "w-1  lower leaves turn yellow" in RUN.invoke(memory.app, ["search", "yellow", *where]).output
    assert "Nothing found." in RUN.invoke(memory.app, ["search", "blue", *where]).output
    found = json.loads(RUN.invoke(memory.app, ["search", "yellow", "leaves", "--json", *where]).output)["found"]
    assert [hit["ref"] for hit in found] == ["w-1"]
    error = RUN.invoke(memory.app, ["search", "x", "--data-dir", str(tmp_path / "none")]).exception
    assert isinstance(error, TomatoError) and error.code == "E-MEMORY-NONE"


def test_the_agent_table_is_part_of_the_settings_file() -> None:
    raw = {"agent": {"cameras": [{"name": "top", "kind": "folder", "path": "/photos"}], "stale": {"debounce": 5}}}
    settings = parse_settings(raw)
    assert settings.advisor.cameras[0].name == "top" and settings.advisor.stale.debounce == 5
    with pytest.raises(TomatoError, match="agent"):
        parse_settings({"agent": {"backend": "http", "endpoint_url": "http://example.org/v1"}})
