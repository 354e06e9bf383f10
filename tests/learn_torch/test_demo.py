"""The whole loop end to end, small: deploy, adapt, train, redeploy, adapt again; and the commands around it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.cli.main import main
from tomato_host.learn import demo as demo_module
from tomato_host.learn.demo import report_text, run_demo
from tomato_host.learn.offline.seasons import KEPT_BACK
from tomato_host.learn.offline.validate import ValidationResult
from tomato_host.learn.profiling import torch_profile

pytestmark = pytest.mark.learn


@pytest.mark.parametrize("passes", [True, False])
def test_the_loop_runs_without_a_hand_and_a_policy_that_fails_does_not_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: bool
) -> None:
    judged = ValidationResult([] if passes else ["performance: not better than never"], {"reward": 1.0})
    monkeypatch.setattr(demo_module, "validate", lambda *_, **__: judged)
    shown: list[str] = []
    found = run_demo(tmp_path, seasons=2, nights=40, first_rounds=1, rounds=1, show=shown.append)
    assert found.before.policy_version == 1 and found.after.policy_version == (2 if passes else 1)
    assert found.before.reports == found.after.reports == 2 * 40, "every decision has its report"
    assert sum(found.before.commands.values()) == 2 * 40 and len(shown) >= 5
    assert found.training["reports_learned"] > 32, "drawn decisions were learned from"
    assert set(found.kept_back) == {"never", "schedule", "greedy", "heuristic", "policy 1", "policy 2"}
    text = report_text(found, [], [])
    assert all(name in text for name in KEPT_BACK) and "Before and after" in text


def test_train_validate_promote_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: str) -> tuple[int, dict]:
        with pytest.raises(SystemExit) as end:
            main(["learn", *words, "--data", str(tmp_path), "--json"])
        return int(end.value.code or 0), json.loads(capsys.readouterr().out)

    code, trained = call("train", "--rounds", "1")
    assert code == 0 and trained["version"] == 1 and trained["decisions"] == 8 * 150
    code, judged = call("validate", "1", "--nights", "40")
    assert code == 1 and not judged["passed"] and judged["figures"]["reward_of_never"] == 0.0
    code, refused = call("promote", "1")
    assert code == 1 and refused["promoted"] is False and refused["failed"]
    code, back = call("promote", "0")
    assert code == 0 and back["version"] == 0


def test_the_profiler_names_operators_and_writes_a_trace(tmp_path: Path) -> None:
    found = torch_profile(5, tmp_path / "trace.json")
    assert len(found) == 10 and found[0]["self_ms"] >= found[-1]["self_ms"] >= 0.0
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
