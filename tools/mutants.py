"""Mutation run over the safety modules: changes them one spot at a time and demands that a test notices.

    make mutants                          the board's safety modules, then the guardrails
    python tools/mutants.py --sample 20   a quick look at every twentieth mutant of the board

A mutant no test kills must stand in the survivors file with a reason; an unlisted survivor and a stale line both fail.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "firmware" / "tomato" / "core"
SAFETY_MODULES = [
    CORE / f"{name}.py"
    for name in (
        "states",
        "pulses",
        "interlocks",
        "requests",
        "counters",
        "faults",
        "survival",
        "saving",
        "slots",
        "configuration",
        "commands",
        "inputs",
        "board",
    )
]
FAST_S = 0.5
"""Slower tests, in CPU time under coverage, are left out: a mutant must be killed by the fast ones."""
SURVIVORS = ROOT / "tests" / "firmware_core" / "survivors.md"
WORKER = ROOT / "tools" / "mutant_worker.py"

SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what it does, and the whole changed source."""

    path: Path
    line: int
    function: str
    change: str
    original: str
    source: str
    span: range
    """Lines of the function it is in; empty for what runs at import."""

    @property
    def key(self) -> str:
        """A name that outlives edits elsewhere in the file: module, function, the line's text, the change."""
        digest = hashlib.sha256(f"{self.original}|{self.change}".encode()).hexdigest()[:8]
        return f"{self.path.stem}.{self.function}:{digest}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    functions = list(_functions(tree))
    seen: dict[tuple[str, str, str], int] = {}
    skipped = {id(inner) for outer in _unrun(tree) for inner in ast.walk(outer)}
    nodes = [
        (i, n)
        for i, n in enumerate(ast.walk(tree))
        if isinstance(n, ast.stmt | ast.expr) and _changeable(n) and id(n) not in skipped
    ]
    for index, node in sorted(nodes, key=lambda pair: (pair[1].lineno, pair[1].col_offset, pair[0])):
        for change in _changes(node):
            original = lines[node.lineno - 1].strip()
            function, span = _function_at(functions, node.lineno)
            number = seen[function, original, change] = seen.get((function, original, change), 0) + 1
            name = change if number == 1 else f"{change} ({number})"
            yield Mutant(path, node.lineno, function, name, original, _apply(text, index, change), span)


def _unrun(tree: ast.AST) -> Iterator[ast.AST]:
    """Annotations and decorators: what they say is for readers and type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from node.decorator_list
        for name in ("annotation", "returns"):
            if isinstance(getattr(node, name, None), ast.AST):
                yield getattr(node, name)


def _functions(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.lineno, node.end_lineno or node.lineno, node.name


def _function_at(functions: list[tuple[int, int, str]], line: int) -> tuple[str, range]:
    inner = [f for f in functions if f[0] <= line <= f[1]]
    if not inner:
        return "module", range(0)
    first, last, name = min(inner, key=lambda f: f[1] - f[0])
    return name, range(first, last + 1)


def _changeable(node: ast.AST) -> bool:
    kinds = (
        ast.Compare,
        ast.BoolOp,
        ast.BinOp,
        ast.UnaryOp,
        ast.If,
        ast.While,
        ast.IfExp,
        ast.Assign,
        ast.AugAssign,
        ast.Expr,
    )
    return isinstance(node, kinds) or _is_number(node)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, bool)


def _changes(node: ast.AST) -> Iterator[str]:
    """Names of the changes one node allows."""
    if isinstance(node, ast.Compare):
        yield from (f"comparison {i}" for i, op in enumerate(node.ops) if type(op) in SWAPS)
    elif isinstance(node, ast.BoolOp):
        yield "and/or"
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "operator"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield "drop unary"
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        # Comparisons and and/or are changed by themselves.
        if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield "negate condition"
    elif isinstance(node, ast.Constant):
        yield "flip" if isinstance(node.value, bool) else "plus 1"
    elif isinstance(node, ast.AugAssign):
        yield "delete"
        if type(node.op) in ARITHMETIC:
            yield "operator"
    elif isinstance(node, ast.Assign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "delete"


def _apply(text: str, index: int, change: str) -> str:
    """The source with the node of that number (in the order of ast.walk) changed."""
    tree = ast.parse(text)
    target = next(node for i, node in enumerate(ast.walk(tree)) if i == index)
    return ast.unparse(ast.fix_missing_locations(_Changer(target, change).visit(tree)))


class _Changer(ast.NodeTransformer):
    """Carries out the change on the one target node."""

    def __init__(self, target: ast.AST, change: str) -> None:
        self.target, self.change = target, change

    def visit(self, node: ast.AST) -> ast.AST:
        return _changed(node, self.change) if node is self.target else super().generic_visit(node)


def _changed(node: ast.AST, change: str) -> ast.AST:
    if isinstance(node, ast.Compare):
        at = int(change.split()[1])
        node.ops[at] = SWAPS[type(node.ops[at])]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif change == "operator" and isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.UnaryOp):
        return node.operand
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        node.value = (not node.value) if change == "flip" else node.value + 1
    else:
        return ast.Pass()
    return node


def read_survivors(path: Path) -> dict[str, str]:
    """Listed survivors: key -> reason. Lines look like "- `key` reason"; a line without a reason is an error."""
    listed: dict[str, str] = {}
    if not path.exists():
        return listed
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("- `"):
            continue
        key, _, reason = line[3:].partition("`")
        if len(reason.strip()) < 10:
            raise SystemExit(f"{path.name}: {key} has no reason")
        listed[key] = reason.strip()
    return listed


class Baseline:
    """What each plain test of the body costs and which lines it runs, so that a mutant meets only its own tests."""

    def __init__(self, tests: list[str], folder: Path) -> None:
        measured = folder / "baseline.json"
        subprocess.run([sys.executable, str(WORKER), "--baseline", str(measured), *tests], cwd=ROOT, check=True)
        rows = json.loads(measured.read_text(encoding="utf-8"))
        self.folder = folder
        self.quickest_first = [name for name in sorted(rows, key=lambda n: rows[n]["s"]) if rows[name]["s"] < FAST_S]
        self.lines = {name: {file: set(lines) for file, lines in rows[name]["lines"].items()} for name in rows}

    def chosen_for(self, mutant: Mutant) -> list[str]:
        """The fast tests that run the changed line; all of them for what runs at import."""
        file = str(mutant.path)
        run_by_any = set().union(*(self.lines[n].get(file, set()) for n in self.quickest_first))
        # The line of a statement that goes over several is its first; a default value belongs to the whole function.
        line = max((n for n in run_by_any if n in mutant.span and n <= mutant.line), default=0)
        those = [n for n in self.quickest_first if line in self.lines[n].get(file, ())]
        order = self.folder / f"{mutant.key}.json"
        order.write_text(json.dumps(those or self.quickest_first), encoding="utf-8")
        return [f"order:{order}"]


class Worker:
    """A process that judges one mutant after the other, each in a fork."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def killed(self, mutant: Mutant, tests: list[str], folder: Path) -> bool:
        """True when a test fails, or none ends. Raises RuntimeError when the worker itself is gone."""
        changed = folder / f"{mutant.key}.py"
        changed.write_text(mutant.source, encoding="utf-8")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(mutant.path), str(changed), tests]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer not in ("killed", "survived"):
            raise RuntimeError(f"the worker ended at {mutant.key}")
        return answer == "killed"

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def verdicts(mutants: list[Mutant], tests: list[str], processes: int) -> list[bool]:
    """For each mutant whether it was killed."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(processes) as pool:
        folder = Path(name)
        plain = all("firmware_core" in test for test in tests)
        baseline = Baseline(tests, folder) if plain else None
        idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for _ in range(processes):
            idle.put(Worker())

        def killed(mutant: Mutant) -> bool:
            worker = idle.get()
            dead = worker.killed(mutant, baseline.chosen_for(mutant) if baseline else tests, folder)
            idle.put(worker)
            return dead

        found = list(_told(mutants, pool.map(killed, mutants)))
        for _ in range(processes):
            idle.get().close()
        return found


def _told(mutants: list[Mutant], found: Iterator[bool]) -> Iterator[bool]:
    """Pass the verdicts on; tell on stderr how far the run is, and each survivor as soon as it is known."""
    alive = 0
    for count, (mutant, dead) in enumerate(zip(mutants, found, strict=True), 1):
        if not dead:
            alive += 1
            print(
                f"survived: {mutant.key}  {mutant.path.name}:{mutant.line} {mutant.change}: {mutant.original}",
                file=sys.stderr,
                flush=True,
            )
        if count % 50 == 0 or count == len(mutants):
            print(f"{count} of {len(mutants)}, {alive} survived so far", file=sys.stderr, flush=True)
        yield dead


def judge(survived: list[Mutant], checked_keys: set[str], listed: dict[str, str], modules: set[str]) -> list[str]:
    """What is wrong: survivors nobody listed, and listed ones that are stale."""
    found = {m.key for m in survived}
    wrong = [
        f"not listed: {m.key}  {m.path.name}:{m.line} {m.change}: {m.original}" for m in survived if m.key not in listed
    ]
    for key in listed:
        if key.split(".")[0] in modules and key not in found:
            state = "killed now" if key in checked_keys else "no such mutant"
            wrong.append(f"stale line: {key} ({state})")
    return wrong


def source_files(paths: list[Path]) -> list[Path]:
    """The Python files named, or inside the folders named."""
    files: list[Path] = []
    for path in paths:
        files += [path] if path.is_file() else sorted(p for p in path.rglob("*.py") if p.name != "__init__.py")
    return [f.resolve() for f in files]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--paths", nargs="+", type=Path, default=SAFETY_MODULES)
    parser.add_argument("--tests", nargs="+", default=["tests/firmware_core"])
    parser.add_argument("--survivors", type=Path, default=SURVIVORS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sample", type=int, default=1, help="take every n-th mutant only; stale lines are not judged")
    return parser.parse_args()


def main() -> int:
    """Run, print one line per problem and a summary; 0 when the gate holds."""
    options = arguments()
    started = time.monotonic()
    files = source_files(options.paths)
    mutants = [m for file in files for m in mutants_of(file)][:: options.sample]
    results = verdicts(mutants, options.tests, options.processes)
    survived = [m for m, dead in zip(mutants, results, strict=True) if not dead]
    listed = read_survivors(options.survivors)
    modules = {f.stem for f in files} if options.sample == 1 else set()
    wrong = judge(survived, {m.key for m in mutants}, listed, modules)
    for line in wrong:
        print(line)
    minutes = (time.monotonic() - started) / 60
    unlisted = sum(line.startswith("not listed") for line in wrong)
    print(
        f"{len(mutants)} mutants of {len(files)} files: {len(mutants) - len(survived)} killed, "
        f"{len(survived)} survived ({len(survived) - unlisted} with a reason), {minutes:.1f} min"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
