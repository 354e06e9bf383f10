"""The tools that guard the code are configured, and CI runs what the README tells a person to run."""

import re
import tomllib
from functools import cache
from pathlib import Path

from tools import figures

ROOT = Path(__file__).resolve().parents[1]


@cache
def measured() -> dict[str, object]:
    """The figures of docs/engineering_figures.md, of the product alone."""
    return figures.measure(ROOT, figures.PRODUCT)


def test_pyproject_contains_pytest_and_ruff_sections() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert "--strict-markers" in tools["pytest"]["ini_options"]["addopts"]
    assert {"E", "F", "I"} <= set(tools["ruff"]["lint"]["select"])
    assert tools["mypy"]["strict"] is True
    assert tools["importlinter"]["root_packages"] == ["tomato_host", "shared_schemas"]


def test_ci_runs_the_readme_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def recipe(target: str) -> str:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    return re.search(rf"^{target}:.*\n((?:\t.*\n?)+)", makefile, re.MULTILINE).group(1)  # type: ignore[union-attr]


def test_lint_holds_format_rules_contracts_and_keys_with_meanings() -> None:
    for part in ("ruff format --check", "ruff check", "lint-imports", "generate_configuration.py --check"):
        assert part in recipe("lint"), part


def test_types_are_checked_for_the_oldest_and_the_newest_python_and_for_tests() -> None:
    runs = ("types-oldest", "types-newest")
    assert set(runs) <= set(recipe("types").split())
    oldest, newest = (recipe(name) for name in runs)
    assert oldest.split() == ["$(BIN)/mypy"]
    assert "$(BIN)/mypy --python-version 3.13 --no-implicit-reexport" in newest
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"] and {"host/tomato_host", "shared_schemas", "tests", "tools"} == set(settings["files"])
    weaker = [row["module"] for row in settings["overrides"] if row.get("disallow_untyped_defs") is False]
    assert weaker == [["tests.*", "tools.*"]]


def test_coverage_holds_the_boards_core_and_the_guardrails_whole_and_the_brain_at_ninety_percent() -> None:
    whole, brain = recipe("coverage").split("$(PYTEST)")[1:]
    assert "--cov=tomato.core --cov=tomato_host.brain.guardrails" in whole and "--cov-fail-under=100" in whole
    assert "--cov=tomato_host.brain " in brain and "--cov-fail-under=90" in brain


def test_a_public_class_name_exists_once_in_the_product() -> None:
    found = measured()
    assert found["class_names_twice"] == {}
    assert found["product"]["functions"] > 3_000  # type: ignore[index]  # a table of figures


def test_no_function_of_the_product_is_longer_than_sixty_lines() -> None:
    assert measured()["product"]["function_longest"] <= 60  # type: ignore[index]  # a table of figures


def test_unit_prints_the_slowest_tests() -> None:
    assert "--durations=10" in recipe("unit")


def test_tests_with_tight_bounds_run_by_themselves_and_all_of_them_run() -> None:
    parallel, alone = recipe("unit").split("$(PYTEST)")[1:]
    assert "-m '$(HERE) and not tight'" in parallel
    assert "-n 0 -m '$(HERE) and tight'" in alone
    mark = "pytest.mark." + "tight"
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if mark in path.read_text(encoding="utf-8")]
    assert marked and all(path.parent == ROOT / alone.split()[-1] for path in marked), marked


def test_folders_that_unit_leaves_out_hold_tests_of_other_targets_alone() -> None:
    left_out = re.findall(r"--ignore=(\S+)", recipe("unit"))
    assert left_out
    for folder in left_out:
        for path in (ROOT / folder).rglob("test_*.py"):
            assert re.search(r"^pytestmark = .*pytest\.mark\.(web|learn)\b", path.read_text(), re.MULTILINE), path


def test_the_mutation_gate_takes_a_seeded_sample_or_all() -> None:
    assert "-m tools.mutation --sample 150 --seed $(MUTANT_SEED)" in recipe("mutants")
    assert "-m tools.mutation --all" in recipe("mutants-all")
