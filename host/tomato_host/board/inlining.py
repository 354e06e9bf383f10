"""Writes the whole numbers of the firmware in the place of their names, before it is compiled.

MicroPython keeps a module's names while the board runs: each costs an interned string, a place in its module's table
and a look-up for each use. `const()` of MicroPython does away with that within one module; the contract's 250 numbers
are used by all the others. So what goes to a board has `16` where the source has `c.M_RESULT`, and a name that nothing
refers to any more is left out. Lines keep their numbers: a trace from the board still points at the source.

A number is a name that a module binds once, at its top, to a whole number or to arithmetic of such names.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

_ARITHMETIC: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_SIGNS: dict[type[ast.AST], Callable[[int], int]] = {ast.USub: operator.neg, ast.Invert: operator.invert}


@dataclass
class _Source:
    """One file of the package while it is worked on."""

    name: str
    """Dotted module name."""
    text: bytes
    tree: ast.Module
    modules: dict[str, str] = field(default_factory=dict)
    """Local name -> module of the package."""
    borrowed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name -> module of the package, name there."""
    numbers: dict[str, int] = field(default_factory=dict)


def inlined(
    package: Mapping[str, bytes],
    untouched: frozenset[str] = frozenset(),
    beside: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The same files with numbers for names, by path.

    The `untouched` ones, and those `beside` the package, are only read for the names they need.
    """
    found = {path: _source(path, text, package) for path, text in package.items() if path.endswith(".py")}
    by_name = {source.name: source for source in found.values()}
    while sum(_find_numbers(source, by_name) for source in found.values()):
        pass
    needed = {word for path, source in found.items() for word in _still_named(source, by_name, path in untouched)}
    needed |= {word for p, t in (beside or {}).items() for word in _still_named(_source(p, t, package), by_name, True)}
    done = dict(package)
    for path, source in found.items():
        if path not in untouched:
            done[path] = _written(source, by_name, needed)
    return done


def _source(path: str, text: bytes, package: Mapping[str, bytes]) -> _Source:
    source = _Source(_module_name(path), text, ast.parse(text))
    there = {_module_name(other) for other in package}
    bound = _times_bound(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            for alias in node.names:
                local, inner = alias.asname or alias.name, f"{node.module}.{alias.name}"
                if bound[local] != 1:
                    continue
                if inner in there:
                    source.modules[local] = inner
                elif node.module in there:
                    source.borrowed[local] = (node.module, alias.name)
    return source


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _times_bound(tree: ast.Module) -> Counter[str]:
    """How often each name is bound in the file, in whatever scope: what is bound once means the same everywhere."""
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names[node.id] += 1
        elif isinstance(node, ast.arg):
            names[node.arg] += 1
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] += 1
        elif isinstance(node, ast.alias):
            names[node.asname or node.name] += 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names.update(dict.fromkeys(node.names, 2))
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names[node.name] += 1
    return names


def _find_numbers(source: _Source, by_name: Mapping[str, _Source]) -> bool:
    """Add what can be worked out now; True when there was something."""
    bound, before = _times_bound(source.tree), len(source.numbers)
    for name, node in _assignments(source.tree):
        if name not in source.numbers and bound[name] == 1:
            value = _value(node.value, source, by_name)
            if value is not None:
                source.numbers[name] = value
    return len(source.numbers) > before


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.Assign]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def _value(node: ast.expr, source: _Source, by_name: Mapping[str, _Source]) -> int | None:
    """The whole number of an expression, None where it is not one or not known yet."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name | ast.Attribute):
        return _number(node, source, by_name)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        value = _value(node.operand, source, by_name)
        return None if value is None else _SIGNS[type(node.op)](value)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _value(node.left, source, by_name), _value(node.right, source, by_name)
        return None if left is None or right is None else _ARITHMETIC[type(node.op)](left, right)
    return None


def _number(node: ast.AST, source: _Source, by_name: Mapping[str, _Source]) -> int | None:
    """The number that a name stands for where it is read, None for any other name."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id in source.borrowed:
            module, name = source.borrowed[node.id]
            return by_name[module].numbers.get(name)
        return source.numbers.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
        module = source.modules.get(node.value.id, "")
        return by_name[module].numbers.get(node.attr) if module in by_name else None
    return None


def _still_named(source: _Source, by_name: Mapping[str, _Source], untouched: bool) -> Iterator[str]:
    """The words by which this file refers to something after its numbers are written in: they must go on existing."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute) and (untouched or _number(node, source, by_name) is None):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and _number(node, source, by_name) is None:
            yield node.id
        elif isinstance(node, ast.alias) and (untouched or not _is_number(source, node, by_name)):
            yield node.name


def _is_number(source: _Source, alias: ast.alias, by_name: Mapping[str, _Source]) -> bool:
    module, name = source.borrowed.get(alias.asname or alias.name, ("", ""))
    return module in by_name and name in by_name[module].numbers


def _written(source: _Source, by_name: Mapping[str, _Source], needed: set[str]) -> bytes:
    """The file with numbers for names, without the assignments and imports that nothing needs any more."""
    lines = source.text.split(b"\n")
    edits: list[tuple[int, int, int, int, bytes]] = []
    left_out = [
        (name, node) for name, node in _assignments(source.tree) if name in source.numbers and name not in needed
    ]
    gone = {id(node) for _, statement in left_out for node in ast.walk(statement)}
    for _, statement in left_out:
        edits.append((*_place(statement), b""))
    for node in ast.walk(source.tree):
        if id(node) in gone:
            continue
        if isinstance(node, ast.ImportFrom):
            kept = [a for a in node.names if (a.asname or a.name) in needed or not _is_number(source, a, by_name)]
            if len(kept) < len(node.names):
                edits.append((*_place(node), _import_of(node.module, kept)))
            continue
        value = _number(node, source, by_name)
        if value is not None:
            edits.append((*_place(node), b"%d" % value if value >= 0 else b"(%d)" % value))
    for first, start, last, end, text in sorted(edits, reverse=True):
        tail = lines[last][end:]
        lines[first : last + 1] = [lines[first][:start] + text + tail, *[b""] * (last - first)]
    return b"\n".join(lines)


def _place(node: ast.AST) -> tuple[int, int, int, int]:
    """First line, column, last line, column; lines from 0, columns in bytes."""
    at = node.lineno - 1, node.col_offset, (node.end_lineno or 0) - 1, node.end_col_offset or 0  # type: ignore[attr-defined]
    return at


def _import_of(module: str | None, kept: list[ast.alias]) -> bytes:
    if not kept:
        return b"pass"  # an import may stand alone in its block
    names = ", ".join(f"{a.name} as {a.asname}" if a.asname else a.name for a in kept)
    return f"from {module} import {names}".encode()
