"""The mutants of a Python file: every small change of meaning that one node of its syntax tree allows.

What says nothing to a running program is left alone: annotations, decorators, strings, `__all__`, `__slots__`, lines of
the log.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
LOGGERS = {"log", "_log", "logger"}
FOR_READERS = {"__all__", "__slots__"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
CHANGEABLE = (
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
    ast.Raise,
    ast.Break,
    ast.Continue,
    ast.Constant,
)


@dataclass(frozen=True)
class Mutant:
    """One change: where it is and what it does."""

    path: Path
    line: int
    function: str
    change: str
    original: str
    index: int
    """Number of the changed node, in the order of ast.walk."""
    lines: range
    """Lines of the innermost statement; of a compound one, its head."""
    names: frozenset[str]
    """What the code outside of functions binds here; empty inside a function."""

    @property
    def key(self) -> str:
        """A name that outlives edits elsewhere in the file: module, function, the line's text, the change."""
        digest = hashlib.sha256(f"{self.original}|{self.change}".encode()).hexdigest()[:8]
        return f"{self.path.stem}.{self.function}:{digest}"

    @property
    def at_import(self) -> bool:
        """Whether the changed code runs when the module is imported, not when a function is called."""
        return bool(self.names)

    def tree(self) -> ast.Module:
        """The syntax tree of the whole changed file; every node keeps its line."""
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        target = next(node for i, node in enumerate(ast.walk(tree)) if i == self.index)
        changed = _Changer(target, self.change.split(" (")[0]).visit(tree)
        assert isinstance(changed, ast.Module)
        return ast.fix_missing_locations(changed)


@dataclass
class _Place:
    """Where a node stands."""

    function: str = "module"
    deferred: bool = False
    """Inside the body of a function."""
    statement: ast.stmt | None = None
    top: ast.stmt | None = None
    """The innermost statement outside of functions."""


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    places: dict[int, _Place] = {}
    _locate(tree, _Place(), places)
    skipped = {id(inner) for outer in _unrun(tree) for inner in ast.walk(outer)}
    nodes = [(i, n) for i, n in enumerate(ast.walk(tree)) if isinstance(n, CHANGEABLE) and id(n) not in skipped]
    seen: dict[tuple[str, str, str], int] = {}
    for index, node in sorted(nodes, key=lambda pair: (pair[1].lineno, pair[1].col_offset, pair[0])):
        place = places[id(node)]
        for change in _changes(node):
            original = lines[node.lineno - 1].strip()
            number = seen[place.function, original, change] = seen.get((place.function, original, change), 0) + 1
            name = change if number == 1 else f"{change} ({number})"
            assert place.statement is not None and place.top is not None
            names = frozenset() if place.deferred else _bound(place.top)
            yield Mutant(path, node.lineno, place.function, name, original, index, _head(place.statement), names)


def _locate(node: ast.AST, place: _Place, places: dict[int, _Place]) -> None:
    """Note for every node below in which function and statement it stands."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            inner = _Place(place.function, place.deferred, place.statement, place.top)
            if isinstance(node, FUNCTIONS) and field == "body":
                inner.deferred = True
            if isinstance(child, ast.stmt):
                inner.statement = child
                inner.top = place.top if inner.deferred else child
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inner.function = child.name
            places[id(child)] = inner
            _locate(child, inner, places)


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _bound(statement: ast.stmt) -> frozenset[str]:
    """The names that a statement binds; a mark that is no name when it binds none."""
    named = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own = getattr(statement, "name", None)
    return frozenset({own} if isinstance(own, str) else named or {"<module>"})


def _unrun(tree: ast.AST) -> Iterator[ast.AST]:
    """What is for readers and type checkers, and the lines of the log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from node.decorator_list
        for name in ("annotation", "returns"):
            if isinstance(getattr(node, name, None), ast.AST):
                yield getattr(node, name)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in FOR_READERS for t in node.targets):
            yield node
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_log(node.value.func):
            yield node


def _is_log(called: ast.expr) -> bool:
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in LOGGERS


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
        if type(node.value) in (int, float, bool):
            yield "flip" if isinstance(node.value, bool) else "plus 1"
    elif isinstance(node, ast.AugAssign):
        yield "delete"
        if type(node.op) in ARITHMETIC:
            yield "operator"
    elif isinstance(node, ast.Assign | ast.Raise | ast.Break | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield "delete"


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
        node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
    elif isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        node.value = (not node.value) if change == "flip" else node.value + 1
    else:
        return ast.copy_location(ast.Pass(), node)
    return node
