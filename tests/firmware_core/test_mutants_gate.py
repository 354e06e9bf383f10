"""The mutation gate is broken on purpose: each way in which it must fail, and that it really kills."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATES = ROOT / "firmware" / "tomato" / "core" / "states.py"
SAMPLE = '''
LIMIT = 3


def over(value, armed):
    """Text is never changed."""
    count = value + 1
    if armed and count > LIMIT:
        stop(count)
        return True
    if not armed:
        count -= 1
    return count << 2
'''


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


def of_sample(mutants: ModuleType, tmp_path: Path, source: str = SAMPLE) -> list:
    path = tmp_path / "sample.py"
    path.write_text(source, encoding="utf-8")
    return list(mutants.mutants_of(path))


def test_every_kind_of_change_is_made_and_each_differs(mutants: ModuleType, tmp_path: Path) -> None:
    made = of_sample(mutants, tmp_path)
    changes = {(m.function, m.change.split(" (")[0], m.original) for m in made}
    assert ("module", "plus 1", "LIMIT = 3") in changes
    assert ("over", "comparison 0", "if armed and count > LIMIT:") in changes
    assert ("over", "and/or", "if armed and count > LIMIT:") in changes
    assert ("over", "delete", "stop(count)") in changes
    assert ("over", "delete", "count = value + 1") in changes
    assert ("over", "operator", "count = value + 1") in changes
    assert ("over", "flip", "return True") in changes
    assert ("over", "drop unary", "if not armed:") in changes
    assert ("over", "operator", "count -= 1") in changes
    unchanged = ast.unparse(ast.parse(SAMPLE))
    assert all(m.source != unchanged for m in made)
    assert len({m.source for m in made}) == len(made) == len({m.key for m in made})


def test_annotations_and_decorators_are_left_alone(mutants: ModuleType, tmp_path: Path) -> None:
    source = "@thing(frozen=True)\nclass A:\n    n: int | None\n    def f(self, x: int | str) -> int | str: ..."
    assert of_sample(mutants, tmp_path, source) == []


def test_a_key_outlives_edits_elsewhere(mutants: ModuleType, tmp_path: Path) -> None:
    before = {m.key for m in of_sample(mutants, tmp_path)}
    after = {m.key for m in of_sample(mutants, tmp_path, "import os\n" + SAMPLE)}
    assert before == after


def run_gate(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, survivors: str, surviving: int
) -> tuple[int, list]:
    """The gate over the sample, with the first `surviving` mutants left alive by the tests."""
    made = of_sample(mutants, tmp_path)
    listed = tmp_path / "survivors.md"
    listed.write_text(survivors, encoding="utf-8")
    monkeypatch.setattr(mutants, "verdicts", lambda all_of, tests, n: [i >= surviving for i in range(len(all_of))])
    monkeypatch.setattr(sys, "argv", ["mutants", "--paths", str(tmp_path / "sample.py"), "--survivors", str(listed)])
    return mutants.main(), made


def test_the_gate_holds_when_all_are_killed(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, made = run_gate(mutants, monkeypatch, tmp_path, "", 0)
    assert code == 0
    assert f"{len(made)} killed, 0 survived" in capsys.readouterr().out


def test_an_unlisted_survivor_breaks_it(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, made = run_gate(mutants, monkeypatch, tmp_path, "", 1)
    assert code == 1
    assert f"not listed: {made[0].key}" in capsys.readouterr().out


def test_a_listed_survivor_with_a_reason_does_not(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = of_sample(mutants, tmp_path)[0].key
    assert run_gate(mutants, monkeypatch, tmp_path, f"- `{key}` nothing reads the limit here\n", 1)[0] == 0


def test_a_stale_line_breaks_it(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = of_sample(mutants, tmp_path)[0].key
    assert run_gate(mutants, monkeypatch, tmp_path, f"- `{key}` nothing reads the limit here\n", 0)[0] == 1
    assert "killed now" in capsys.readouterr().out
    assert run_gate(mutants, monkeypatch, tmp_path, "- `sample.over:00000000` was changed long ago\n", 0)[0] == 1
    assert "no such mutant" in capsys.readouterr().out


def test_a_line_without_a_reason_breaks_it(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="no reason"):
        run_gate(mutants, monkeypatch, tmp_path, "- `sample.over:00000000` \n", 0)


def worker(order: Path, *changed: Path) -> list[str]:
    """What the worker says of each changed source, one after the other in one process."""
    jobs = "".join(json.dumps([str(STATES), str(source), [f"order:{order}"]]) + "\n" for source in changed)
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "mutant_worker.py")],
        cwd=ROOT,
        input=jobs,
        text=True,
        capture_output=True,
        timeout=120,
    ).stdout.split()


def test_a_real_mutant_is_killed_by_a_real_test_and_the_real_code_is_not(tmp_path: Path) -> None:
    order = tmp_path / "order.json"
    order.write_text(json.dumps(["tests.firmware_core.test_states:test_the_table_is_the_one_in_the_design"]))
    text = STATES.read_text(encoding="utf-8")
    same, broken, endless = tmp_path / "same.py", tmp_path / "broken.py", tmp_path / "endless.py"
    same.write_text(text, encoding="utf-8")
    broken.write_text(text.replace("(_R,   _R,     _L,", "(_R,   _R,     _R,"), encoding="utf-8")
    endless.write_text(text + "\nraise SystemError\n", encoding="utf-8")
    assert broken.read_text(encoding="utf-8") != text
    assert worker(order, same, broken, endless, same) == ["survived", "killed", "killed", "survived"]


def test_the_survivors_file_is_well_formed(mutants: ModuleType) -> None:
    for key, reason in mutants.read_survivors(mutants.SURVIVORS).items():
        assert key.count(":") == 1 and len(reason) >= 10
