"""The demos run, show what they promise, and speak JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.world.demos.garden import run_garden
from tomato_host.world.demos.talk import SILENT_MOST_MS


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main(["world", "demo", *words, "--json"])
    assert ended.value.code == 0
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


def test_talk(capsys: pytest.CaptureFixture[str]) -> None:
    result = shown(capsys, "talk")
    moments: list[dict[str, str]] = result["moments"]  # type: ignore[assignment]
    assert [moment["what"] for moment in moments] == ["says", "interrupted", "says", "says"]
    assert "STALE_CONTEXT" in moments[1]["text"] and moments[1]["who"] == moments[2]["who"] == "ann"
    assert all(silent_ms <= SILENT_MOST_MS for silent_ms in result["silent_ms"])  # type: ignore[attr-defined]


def test_garden(capsys: pytest.CaptureFixture[str]) -> None:
    result = shown(capsys, "garden")
    assert result == run_garden() and result != run_garden(seed=2) and result["replay_is_equal"] is True


def test_the_tutorial_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "world.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "docs/world.md", "exec"), {})
    assert capsys.readouterr().out == "INTENT_CONFLICT ann holds no can\n"
