"""Print what the code base measures: files, lines, function lengths, comments, docstrings, duplicate class names.

    python tools/figures.py [ROOT] [--json]

Counted are the Python files of the product (host, firmware, shared_schemas) and, apart, of tests and tools. A package
is a folder directly below `host/tomato_host`, or one of the other roots. A line of code is a line that is neither
empty, nor only a comment, nor part of a docstring. A function's length runs from its `def` (decorators aside) to its
last line. Generated files (`firmware/tomato/contract.py`) are counted apart. Standard library only, so that it runs on
any commit.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import statistics
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

PRODUCT = ("host/tomato_host", "firmware", "shared_schemas")
BESIDE = ("tests", "tools")
GENERATED = ("firmware/tomato/contract.py",)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


@dataclass
class Package:
    """Sums over the files of one package; lengths are of functions, in lines."""

    files: int = 0
    lines: int = 0
    code: int = 0
    comments: int = 0
    docstring_lines: int = 0
    longest_file: int = 0
    public: int = 0
    documented: int = 0
    lengths: list[int] = field(default_factory=list)
    longest: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found = measure(options.root)
    print(json.dumps(found, indent=1) if options.as_json else table(found))
    return 0


def measure(root: Path, tops: tuple[str, ...] = (*PRODUCT, *BESIDE)) -> dict[str, object]:
    """All figures of the tree at `root`, or of the given parts of it, JSON-ready."""
    packages: dict[str, Package] = defaultdict(Package)
    classes: dict[str, list[str]] = defaultdict(list)
    for path in _sources(root, tops):
        name = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        _add(packages[_package(name)], name, path.read_text(encoding="utf-8"), tree)
        if name.startswith(PRODUCT) and name not in GENERATED:
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    classes[node.name].append(name)
    product = {name: package for name, package in packages.items() if name not in (*BESIDE, "generated")}
    return {
        "packages": {name: _figures(package) for name, package in sorted(packages.items())},
        "product": _figures(_sum(product.values())),
        "class_names_twice": {name: places for name, places in sorted(classes.items()) if len(places) > 1},
    }


def _sources(root: Path, tops: tuple[str, ...]) -> Iterator[Path]:
    for top in tops:
        yield from sorted(path for path in (root / top).rglob("*.py") if "__pycache__" not in path.parts)


def _package(name: str) -> str:
    """`host/tomato_host/board/port.py` is in `board`; a file directly in `tomato_host` is in `tomato_host`."""
    if name in GENERATED:
        return "generated"
    parts = name.split("/")
    if parts[0] == "host":
        return parts[2] if len(parts) > 3 else "tomato_host"
    return parts[0]


def _add(package: Package, name: str, text: str, tree: ast.Module) -> None:
    lines = text.splitlines()
    docstrings = _docstring_lines(tree)
    comments = _comment_lines(text)
    package.files += 1
    package.lines += len(lines)
    package.longest_file = max(package.longest_file, len(lines))
    package.comments += len(comments)
    package.docstring_lines += len(docstrings)
    package.code += sum(
        1
        for n, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#") and n not in docstrings
    )
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > max(package.lengths, default=0):
                package.longest = f"{name}:{node.name}"
            package.lengths.append(length)
    for public in _public(tree.body):
        package.public += 1
        package.documented += ast.get_docstring(public) is not None


def _comment_lines(text: str) -> set[int]:
    """Lines with a comment that says something: directives to tools are not counted."""
    directives = ("# noqa", "# type:", "# fmt:", "# pragma", "#!")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        token.start[0] for token in tokens if token.type == tokenize.COMMENT and not token.string.startswith(directives)
    }


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Every line of a bare string: docstrings, and the texts below fields and constants."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def _public(body: list[ast.stmt]) -> Iterator[Documented]:
    """Functions and classes of a module, and the methods of its public classes, whose names have no underscore."""
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _sum(packages: Iterable[Package]) -> Package:
    total = Package()
    for package in packages:
        if max(package.lengths, default=0) > max(total.lengths, default=0):
            total.longest = package.longest
        for key in ("files", "lines", "code", "comments", "docstring_lines", "public", "documented"):
            setattr(total, key, getattr(total, key) + getattr(package, key))
        total.longest_file = max(total.longest_file, package.longest_file)
        total.lengths += package.lengths
    return total


def _figures(package: Package) -> dict[str, object]:
    raw = asdict(package)
    lengths = raw.pop("lengths")
    return raw | {
        "functions": len(lengths),
        "function_median": statistics.median(lengths) if lengths else 0,
        "function_longest": max(lengths, default=0),
        "comments_per_100": round(100.0 * package.comments / package.code, 1) if package.code else 0.0,
        "docstring_lines_per_100": round(100.0 * package.docstring_lines / package.code, 1) if package.code else 0.0,
        "docstrings_pct": round(100.0 * package.documented / package.public, 1) if package.public else 100.0,
    }


COLUMNS = (
    ("files", "files"),
    ("lines", "lines"),
    ("longest file", "longest_file"),
    ("functions", "functions"),
    ("median", "function_median"),
    ("longest", "function_longest"),
    ("comments per 100", "comments_per_100"),
    ("docstring lines per 100", "docstring_lines_per_100"),
    ("docstrings %", "docstrings_pct"),
)


def table(found: dict[str, object]) -> str:
    """The figures as a Markdown table, the class names that exist twice below it."""
    rows = ["| package | " + " | ".join(title for title, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    packages: dict[str, dict[str, object]] = found["packages"]  # type: ignore[assignment]
    product: dict[str, object] = found["product"]  # type: ignore[assignment]
    for name, figures in (*packages.items(), ("**product**", product)):
        cells = [f"{figures[key]:,}" if isinstance(figures[key], int) else f"{figures[key]:g}" for _, key in COLUMNS]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    twice: dict[str, list[str]] = found["class_names_twice"]  # type: ignore[assignment]
    places = Counter({name: len(files) for name, files in twice.items()})
    rows += ["", f"Longest function: `{product['longest']}`.", f"Public class names that exist twice: {len(twice)}"]
    rows[-1] += f" ({', '.join(f'{name} {n}' for name, n in places.items())})." if twice else "."
    return "\n".join(rows)


if __name__ == "__main__":
    raise SystemExit(main())
