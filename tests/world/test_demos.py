"""The demos run, show what they promise, and speak JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tomato_host.cli.main import main
from tomato_host.world.demos.garden import run_garden
from tomato_host.world.demos.talk import SILENT_MOST_MS, run_talk

from tests.advisor.fetched import small_language_model


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["world", "demo", *words, "--json"])
    assert ended.value.code == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_talk(capsys: pytest.CaptureFixture[str]) -> None:
    result = shown(capsys, "talk")
    moments: list[dict[str, Any]] = result["moments"]
    assert [(one["who"], one["what"]) for one in moments if one["who"] == "ann"] == [
        ("ann", "begins"), ("ann", "interrupted"), ("ann", "begins"), ("ann", "says")]  # fmt: skip
    cut = next(one for one in moments if one["what"] == "interrupted")
    assert "STALE_CONTEXT" in cut["text"] and 0.0 <= cut["silent_ms"] <= SILENT_MOST_MS
    assert cut["text"].startswith("I think the tomatoes need water") and "morning" not in cut["text"]
    (ben, ann, cleo) = result["said"]
    assert ben["speaker"] == "ben" and ben["text"] in ann["text"], "ann begins again on what ben has said"
    assert ann["speaker"] == "ann" and "ann say" in cleo["text"]


def test_what_is_said_the_second_time_follows_from_the_interruption() -> None:
    pieces: list[str] = []
    result = run_talk(interruption="Wait, the heater smokes!", show=pieces.append)
    assert result["ok"] and "heater smokes" in result["said"][1]["text"]
    assert "interrupted after" in "".join(pieces), "a reader of the terminal sees it"


def test_a_model_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["world", "demo", "talk", "--model", "nowhere.gguf"])
    assert ended.value.code == 2 and re.match("tomato-host: E-LLM-(FILES|RUNTIME): ", capsys.readouterr().err)


@pytest.mark.llm
@pytest.mark.timeout(300)
def test_talk_with_a_real_model(capsys: pytest.CaptureFixture[str]) -> None:
    result = shown(capsys, "talk", "--model", str(small_language_model()))
    assert max(result["silent_ms"]) <= SILENT_MOST_MS
    assert all(len(one["text"].split()) >= 5 for one in result["said"])
    print(json.dumps(result["said"]), result["silent_ms"])


def test_garden(capsys: pytest.CaptureFixture[str]) -> None:
    result = shown(capsys, "garden")
    assert result == run_garden() and result != run_garden(seed=2) and result["replay_is_equal"] is True


def run_code_of(name: str) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / name).read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, name, "exec"), {})


def test_the_tutorial_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run_code_of("world.md")
    assert capsys.readouterr().out == "INTENT_CONFLICT ann holds no can\n"


def test_the_tutorial_of_a_policy_in_shadow_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run_code_of("world_demos.md")
    assert capsys.readouterr().out.splitlines() == ["accepted []", "['shadow']", "accepted ['trial']"]


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["world", "bench", "--agents", "3", "--intents", "60", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0 and found["accepted"] == 60 and found["chain_is_whole"] is True
