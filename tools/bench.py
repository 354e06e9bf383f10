"""Run every benchmark (`tools/bench_*.py`), print its figures as a table, write them as JSON."""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"


def load(path: Path) -> ModuleType:
    """Import one benchmark file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def rows(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested figures into printable rows."""
    out: list[tuple[str, str]] = []
    for key, value in figures.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            out += rows(value, f"{name}.")
        else:
            out.append((name, f"{value:,.4g}" if isinstance(value, float) else str(value)))
    return out


def run_one(path: Path, quick: bool, console: Console, as_json: bool) -> bool:
    """Run one benchmark; a failure is shown and does not stop the others."""
    name = path.stem.removeprefix("bench_")
    start = time.perf_counter()
    try:
        module = load(path)
        figures = module.run(quick)
    except Exception as error:  # the next benchmark still has something to say
        console.print(f"[red]{name}: {type(error).__name__}: {error}[/]")
        return False
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    payload = {"name": name, "quick": quick, "machine": machine, "figures": figures}
    text = json.dumps(payload, indent=1, default=str) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(text)
    if as_json:
        print(text, end="")
        return True
    table = Table(title=f"{module.TITLE} ({time.perf_counter() - start:.1f} s)", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for row in rows(figures):
        table.add_row(*row)
    console.print(table)
    return True


def main() -> int:
    """Run the benchmarks named, or all. Exit code 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="which (all when none is named)")
    parser.add_argument("--quick", action="store_true", help="small sizes, each under half a minute")
    parser.add_argument("--json", action="store_true", help="the figures on standard output, instead of a table")
    args = parser.parse_args()
    paths = sorted(HERE.glob("bench_*.py"))
    known = {p.stem.removeprefix("bench_"): p for p in paths}
    unknown = [name for name in args.names if name not in known]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    console = Console(stderr=args.json)
    passed = [run_one(known[name], args.quick, console, args.json) for name in (args.names or known)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
