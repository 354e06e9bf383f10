"""The mutation gate is broken on purpose: each way in which it must fail, and that it really kills."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.mutation import baseline as baselines
from tools.mutation import gate
from tools.mutation.changes import Mutant, mutants_of
from tools.mutation.packages import PACKAGES, ROOT, GatedPackage

SAMPLE = '''
LIMIT = 3
__all__ = ["over"]


def over(value, armed):
    """Text is never changed."""
    count = value + 1
    if armed and count > LIMIT:
        stop(count)
        return True
    if not armed:
        count -= 1
    _log.info("seen", count=1)
    for part in count:
        if part:
            continue
        raise ValueError(0.5)
    return count << 2
'''


def of_source(tmp_path: Path, source: str = SAMPLE) -> list[Mutant]:
    path = tmp_path / "sample.py"
    path.write_text(source, encoding="utf-8")
    return list(mutants_of(path))


def test_every_kind_of_change_is_made_and_each_differs(tmp_path: Path) -> None:
    made = of_source(tmp_path)
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
    assert ("over", "negate condition", "if part:") in changes
    assert ("over", "delete", "continue") in changes
    assert ("over", "delete", "raise ValueError(0.5)") in changes
    assert ("over", "plus 1", "raise ValueError(0.5)") in changes
    sources = {ast.unparse(m.tree()) for m in made}
    assert ast.unparse(ast.parse(SAMPLE)) not in sources
    assert len(sources) == len(made) == len({m.key for m in made})


def test_what_only_readers_see_is_left_alone(tmp_path: Path) -> None:
    source = "@thing(frozen=True)\nclass A:\n    n: int | None\n    def f(self, x: int | str) -> int | str: ..."
    assert of_source(tmp_path, source) == []
    assert not [m for m in of_source(tmp_path) if "_log" in m.original or "__all__" in m.original]


def test_a_key_outlives_edits_elsewhere(tmp_path: Path) -> None:
    before = {m.key for m in of_source(tmp_path)}
    after = {m.key for m in of_source(tmp_path, "import os\n" + SAMPLE)}
    assert before == after


def test_a_mutant_knows_whether_the_import_runs_it(tmp_path: Path) -> None:
    source = "A = 1\nB = [lambda x: x + 2]\ndef f(x=3):\n    y = 4\n    return y\n"
    source += "class C:\n    n = 5\n    def g(self): return 6\n"
    names = {m.original + m.change: m.names for m in of_source(tmp_path, source) if m.change == "plus 1"}
    assert set(names.values()) == {frozenset(), frozenset("A"), frozenset("f"), frozenset("n")}
    assert names["B = [lambda x: x + 2]plus 1"] == names["y = 4plus 1"] == frozenset()


def test_a_sample_is_seeded_has_its_size_and_hardly_changes_with_the_code(tmp_path: Path) -> None:
    source = "def f(a):\n" + "".join(f"    a += {n}\n" for n in range(200))
    every = of_source(tmp_path, source)
    first = gate.sampled(every, 150, 1)
    assert len(first) == 150 and first == gate.sampled(every, 150, 1) != gate.sampled(every, 150, 2)
    assert [m.line for m in first] == sorted(m.line for m in first)
    assert gate.sampled(every[:20], 150, 1) == every[:20]
    grown = of_source(tmp_path, source + "    a *= 1_000\n    a *= 2_000\n")
    assert len({m.key for m in first} - {m.key for m in gate.sampled(grown, 150, 1)}) <= 6


def judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, survivors: str, surviving: int, number: int | None = None
) -> gate.Judged:
    """The gate over the sample, with the first `surviving` mutants left alive by the tests."""
    of_source(tmp_path)
    listed = tmp_path / "survivors.md"
    listed.write_text(survivors, encoding="utf-8")
    monkeypatch.setattr(gate, "verdicts", lambda package, mutants, n: [i >= surviving for i in range(len(mutants))])
    return gate.check(GatedPackage("sample", str(tmp_path), ("sample",), (), str(listed)), number, 1, 1)


def test_the_gate_holds_when_all_are_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = judged(monkeypatch, tmp_path, "", 0)
    assert found.problems == [] and found.killed == found.of_all == len(of_source(tmp_path)) and found.survived == 0


def test_an_unlisted_survivor_breaks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = judged(monkeypatch, tmp_path, "", 1)
    assert found.survived == 1
    assert [p.split("  ")[0] for p in found.problems] == [f"not listed: {of_source(tmp_path)[0].key}"]


def test_a_listed_survivor_with_a_reason_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = of_source(tmp_path)[0].key
    assert judged(monkeypatch, tmp_path, f"- `{key}` nothing reads the limit here\n", 1).problems == []


def test_a_stale_line_breaks_it_in_a_sample_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    every = of_source(tmp_path)
    line = "- `{}` nothing reads the limit here\n"
    assert judged(monkeypatch, tmp_path, line.format(every[0].key), 0).problems == [
        f"stale line: {every[0].key} (killed now)"
    ]
    gone = line.format("sample.over:00000000")
    for number in (None, 5):
        found = judged(monkeypatch, tmp_path, gone, 0, number)
        assert found.problems == ["stale line: sample.over:00000000 (no such mutant)"]
    outside = next(m for m in every if m not in gate.sampled(every, 5, 1))
    assert judged(monkeypatch, tmp_path, line.format(outside.key), 0, 5).problems == []


def test_too_few_killed_breaks_it_though_each_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    every = of_source(tmp_path)
    reasons = "".join(f"- `{m.key}` a reason that nobody believes\n" for m in every[:9])
    found = judged(monkeypatch, tmp_path, reasons, 9)
    assert [p.split(":")[0] for p in found.problems] == ["too few killed"]


@pytest.mark.parametrize("line", ["- `sample.over:00000000` \n", "- `sample.over:00000000` no\n"])
def test_a_line_without_a_reason_breaks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str) -> None:
    with pytest.raises(SystemExit, match="no reason"):
        judged(monkeypatch, tmp_path, line, 0)


def test_a_line_twice_breaks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="twice"):
        judged(monkeypatch, tmp_path, "- `sample.over:00000000` has a good reason\n" * 2, 0)


def test_main_fails_when_one_package_does_and_says_the_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"core": gate.Judged("core", 9, 1, 40, []), "link": gate.Judged("link", 9, 1, 40, ["not listed: x"])}
    asked: list[tuple[str, int | None, int]] = []

    def check(package: GatedPackage, number: int | None, seed: int, processes: int) -> gate.Judged:
        asked.append((package.name, number, seed))
        return results[package.name]

    monkeypatch.setattr(gate, "check", check)
    for line, code in (("core", 0), ("core link --seed 7", 1), ("core --all", 0)):
        monkeypatch.setattr(sys, "argv", ["mutation", *line.split()])
        assert gate.main() == code
    assert asked == [("core", 150, 1), ("core", 150, 7), ("link", 150, 7), ("core", None, 1)]
    shown = capsys.readouterr().out
    assert "core: 9 of 10 killed (90.0%), 40 mutants in all" in shown and "not listed: x" in shown


PLANTED = '''
"""Changed by the gate's own test."""

STEP = 2
GREETING = {"en": len("hello")}


def twice(value):
    return value * STEP


def _table():
    return [1, 2]


TABLE = _table()


def endless(value):
    while value > 0:
        value -= 1
    return value


def nobody_calls():
    return 41 + 1


class Box:
    size = 4

    def grown(self):
        return [part + self.size for part in range(3)]
'''
PLANTED_TESTS = """
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planted_{stamp}.planted import STEP, TABLE, Box, endless, twice


@cache
def four():
    return twice(2)


@pytest.fixture(scope="module")
def box():
    return Box().grown()


def test_twice():
    assert four() == 4


def test_twice_again():
    assert four() > 3


def test_step_and_table():
    assert STEP == 2 and TABLE == [1, 2]


@given(st.integers(0, 5))
def test_endless(value):
    assert endless(value) == 0


def test_box(box):
    assert box == [4, 5, 6]


def test_box_has_three(box):
    assert len(box) == 3
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedPackage]:
    """A small package with tests of its own, for as long as this module's tests run."""
    stamp = tmp_path_factory.mktemp("stamp").parent.name.replace("-", "_")
    folder = ROOT / "tests" / f"planted_{stamp}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "planted.py").write_text(PLANTED)
    (folder / "test_planted.py").write_text(PLANTED_TESTS.replace("{stamp}", stamp))
    name = f"tests/{folder.name}"
    try:
        yield GatedPackage(folder.name, name, ("planted",), (name,), f"{name}/survivors.md")
    finally:
        for file in [*folder.rglob("*"), *(baselines.KEPT / folder.name).glob("*")]:
            if file.is_file():
                file.unlink()
        for left in [*sorted(folder.rglob("*"), reverse=True), folder, baselines.KEPT / folder.name]:
            if left.is_dir():
                left.rmdir()


def test_a_planted_mutant_that_no_test_reaches_breaks_the_gate_and_every_other_is_killed(planted: GatedPackage) -> None:
    found = gate.check(planted, None, 1, 1)
    text = "\n".join(found.problems)
    assert "return 41 + 1" in text and 'GREETING = {"en": len("hello")}' in text
    assert {line.split(": ", 2)[2] for line in found.problems if line.startswith("not listed")} == {
        "return 41 + 1",
        'GREETING = {"en": len("hello")}',
    }
    assert found.survived == 4 and found.killed == found.of_all - 4


def test_a_test_is_chosen_by_the_lines_it_runs_also_behind_caches_and_shared_fixtures(planted: GatedPackage) -> None:
    baseline = baselines.measured(planted)
    chosen = {
        m.original: {name.split("::")[1] for name in baseline.chosen_for(m)} for m in mutants_of(planted.files[0])
    }
    assert chosen["return value * STEP"] == {"test_twice", "test_twice_again"}
    assert chosen["value -= 1"] == {"test_endless"}
    assert chosen["return [part + self.size for part in range(3)]"] == {"test_box", "test_box_has_three"}
    assert chosen["return 41 + 1"] == set()
    # Nobody names it: all are asked.
    assert len(chosen['GREETING = {"en": len("hello")}']) == 6
    at_import = {m.original for m in mutants_of(planted.files[0]) if baseline.runs_at_import(m)}
    assert {"STEP = 2", "return [1, 2]", "size = 4", "TABLE = _table()"} <= at_import
    assert "return value * STEP" not in at_import


def test_a_baseline_is_kept_until_a_test_changes(planted: GatedPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = baselines.measured(planted)
    runs: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: runs.append(args))
    assert baselines.measured(planted) == first and not runs
    test = ROOT / planted.tests[0] / "test_planted.py"
    text = test.read_text()
    test.write_text(text + "\n")
    with pytest.raises(FileNotFoundError):
        baselines.measured(planted)
    test.write_text(text)
    assert len(runs) == 1


def test_tests_that_fail_on_unchanged_code_kill_nothing(planted: GatedPackage) -> None:
    test = ROOT / planted.tests[0] / "test_planted.py"
    text = test.read_text()
    test.write_text(text + "\n\ndef test_wrong():\n    assert twice(1) == 3\n")
    try:
        with pytest.raises(SystemExit, match=r"fails without any change: .*test_wrong"):
            gate.check(planted, 3, 1, 1)
    finally:
        test.write_text(text)


def test_a_harness_that_kills_unchanged_code_is_noticed(planted: GatedPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate.Worker, "killed", lambda *args: True)
    with pytest.raises(SystemExit, match="without any change, in the order quickest first"):
        gate.check(planted, 3, 1, 1)


@pytest.mark.parametrize("package", PACKAGES, ids=[p.name for p in PACKAGES])
def test_each_package_has_its_files_its_tests_and_a_reason_for_each_listed_survivor(package: GatedPackage) -> None:
    assert package.files and all(file.is_file() for file in package.files)
    assert baselines.test_files(package)
    keys = [mutant.key for file in package.files for mutant in mutants_of(file)]
    assert len(set(keys)) == len(keys) >= 150
    listed = gate.read_survivors(ROOT / package.survivors)
    assert all(key.count(":") == 1 and len(reason) >= 10 for key, reason in listed.items())
    assert set(listed) <= set(keys), f"no such mutant: {sorted(set(listed) - set(keys))}"
    assert len(listed) <= len(keys) * (1 - gate.LEAST_KILLED)


def test_no_file_is_under_the_gate_twice() -> None:
    files = list(itertools.chain.from_iterable(package.files for package in PACKAGES))
    assert len(files) == len(set(files))
