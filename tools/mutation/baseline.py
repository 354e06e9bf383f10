"""Which test runs which lines and how long it takes, measured once and kept until code or tests change."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutation.changes import Mutant
from tools.mutation.packages import ROOT, GatedPackage

KEPT = ROOT / "build" / "mutation"
PRODUCT = ("firmware", "host", "shared_schemas")


@dataclass(frozen=True)
class Baseline:
    """The quick tests of a package, quickest first, and their lines by file."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, frozenset[int]]]
    at_import: dict[str, frozenset[int]]

    def runs_at_import(self, mutant: Mutant) -> bool:
        """Whether the import runs the mutant's statement: code outside of functions, and functions that tables call."""
        ran = self.at_import.get(str(mutant.path), frozenset())
        return mutant.at_import or not ran.isdisjoint(mutant.lines)

    def chosen_for(self, mutant: Mutant) -> list[str]:
        """The tests that run the changed lines; of what is bound at import, those that run a line that names it, and
        those of test files that name it."""
        if not mutant.at_import:
            wanted = {str(mutant.path): frozenset(mutant.lines)}
            chosen = self._running(wanted)
            return chosen if chosen or not self.runs_at_import(mutant) else list(self.seconds)
        wanted = {file: _naming(file, mutant.names) for file in self._files()}
        running = set(self._running(wanted))
        chosen = [n for n in self.seconds if n in running or _naming(str(ROOT / n.split("::")[0]), mutant.names)]
        return chosen or list(self.seconds)

    def _files(self) -> set[str]:
        return {file for by_file in self.lines.values() for file in by_file}

    def _running(self, wanted: dict[str, frozenset[int]]) -> list[str]:
        return [
            name
            for name in self.seconds
            if any(not self.lines[name].get(file, frozenset()).isdisjoint(lines) for file, lines in wanted.items())
        ]


@functools.lru_cache(maxsize=4096)
def _naming(file: str, names: frozenset[str]) -> frozenset[int]:
    word = re.compile(r"\b(" + "|".join(re.escape(name) for name in names) + r")\b")
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return frozenset(number for number, text in enumerate(lines, 1) if word.search(text))


def measured(package: GatedPackage) -> Baseline:
    """The baseline of a package: what is kept, and anew for the test files that changed. SystemExit if a test fails."""
    common = _digest_of_product(package)
    kept = {file: _place(package, file, common) for file in test_files(package)}
    stale = [file for file, place in kept.items() if not place.exists()]
    if stale:
        _measure(package, {file: kept[file] for file in stale})
    tests: dict[str, Any] = {}
    at_import: dict[str, set[int]] = {}
    for place in kept.values():
        rows = json.loads(place.read_text(encoding="utf-8"))
        tests.update(rows["tests"])
        for name, lines in rows["import"].items():
            at_import.setdefault(name, set()).update(lines)
    quick = sorted((name for name in tests if tests[name]["s"] < package.slowest_s), key=lambda n: tests[n]["s"])
    return Baseline(
        {name: tests[name]["s"] for name in quick},
        {name: {f: frozenset(lines) for f, lines in tests[name]["lines"].items()} for name in quick},
        {name: frozenset(lines) for name, lines in at_import.items()},
    )


def test_files(package: GatedPackage) -> list[Path]:
    """The test files of a package."""
    found: list[Path] = []
    for name in package.tests:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(path.rglob("test_*.py"))
    return found


def _place(package: GatedPackage, file: Path, common: bytes) -> Path:
    """Where the rows of one test file are kept, for this text of it and of the product."""
    digest = hashlib.sha256(common + file.read_bytes()).hexdigest()[:16]
    return KEPT / package.name / f"{_stem(file)}-{digest}.json"


def _stem(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")


def _measure(package: GatedPackage, places: dict[Path, Path]) -> None:
    """Run these test files once, in one process, and keep the rows of each. Raises SystemExit when a test fails."""
    names = {str(file.relative_to(ROOT)): place for file, place in places.items()}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.json"
        order = {"tests": list(names), "files": _names(package), "measure": str(target)}
        command = [sys.executable, "-m", "tools.mutation.worker", json.dumps(order)]
        subprocess.run(command, cwd=ROOT, check=True)
        rows = json.loads(target.read_text(encoding="utf-8"))
    if rows["failed"]:
        raise SystemExit(f"{package.name}: fails without any change: {', '.join(rows['failed'])}")
    for file, (name, place) in zip(places, names.items(), strict=True):
        own = {test: row for test, row in rows["tests"].items() if test.split("::")[0] == name}
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in place.parent.glob(f"{_stem(file)}-*.json"):
            old.unlink()
        place.write_text(json.dumps({"tests": own, "import": rows["import"]}), encoding="utf-8")


def _names(package: GatedPackage) -> list[str]:
    return [str(file) for file in package.files]


def _digest_of_product(package: GatedPackage) -> bytes:
    """Over all that decides what a test does but the file it stands in."""
    digest = hashlib.sha256(repr(_names(package)).encode())
    files = [f for part in PRODUCT for f in (ROOT / part).rglob("*.py")]
    files += [f for f in (ROOT / "tests").rglob("*.py") if not f.name.startswith("test_")]
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.digest()
