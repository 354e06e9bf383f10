"""Board time in two parts: nothing changes at the turn of an epoch, and no decision needs more than 31 bits."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tomato_host.board.protocol import BoardProtocol, Received

from shared_schemas.wire import SCHEMA_HASH
from tests.firmware_core.board_hal import Hal, Store

ROOT = Path(__file__).resolve().parents[2] / "firmware"
DAY_MS = 86_400_000
EPOCH_MS = 1 << 28
SMALL = 1 << 30
"""A small integer of a 32-bit board lies between -SMALL and SMALL - 1."""


def build() -> Any:
    """An App with everything fitted and fresh, from the modules that `tomato` is now."""
    from tomato import contract as c
    from tomato.app import App
    from tomato.core import counters
    from tomato.core.session import Identity

    readings = {
        c.S_AIR_TEMP_C: 2_200, c.S_RH_PCT: 6_000, c.S_CO2_PPM: 600, c.S_LEAF_TEMP_C: 2_100, c.S_LIGHT_LUX: 100,
        c.S_SOIL_TEMP_C: 2_000, c.S_SOIL_P1_PCT: 3_500, c.S_SOIL_P2_PCT: 3_600, c.S_SOIL_P1_RAW: 30_000,
        c.S_SOIL_P2_RAW: 30_000, c.S_FLOW_ML: 0, c.S_RESERVOIR_OK: 1, c.S_LEAK: 0, c.S_DOOR_OPEN: 0,
    }  # fmt: skip
    return App(Hal(Store(counters.fresh_record()), Identity(7), readings))


def moments() -> Iterator[int]:
    """13 days and more: hours by themselves, and every safety tick for a while around each turn of an epoch."""
    now_ms = 0
    turns = [n * EPOCH_MS // 10_000 * 10_000 for n in range(2, 6)]
    while now_ms < turns[-1] + DAY_MS:
        yield now_ms
        near = any(abs(now_ms - turn) < 20_000 for turn in turns) or now_ms < 30_000
        next_turn = next((t - 20_000 for t in turns if t - 20_000 > now_ms), now_ms + DAY_MS)
        now_ms = now_ms + 50 if near else min(now_ms + 3_600_000, next_turn)


class Host:
    """Leases, pulses, asks; the same bytes to every board it is given."""

    def __init__(self) -> None:
        self.protocol = BoardProtocol(0x0A0B)
        self.cmd_id = 0

    def frames(self, now_ms: int) -> bytes:
        said = b""
        if self.cmd_id == 0:
            said += self.protocol.send("HELLO", schema_hash=SCHEMA_HASH)
        if now_ms % 2_000 == 0:
            said += self.protocol.send("LEASE", lease_ms=5_000)
        if now_ms % 10_000 == 0:
            self.cmd_id += 1
            for output, not_after_ms in ((0, now_ms + 5_000), (1, now_ms - 1), (2, now_ms)):
                self.cmd_id += 1
                said += self.protocol.send("PULSE", cmd_id=self.cmd_id, output=output, amount=7_000,
                                           not_after_ms=max(0, not_after_ms))  # fmt: skip
            said += self.protocol.send("TIME", t1_ms=now_ms) + self.protocol.send("HEALTH")
        return said


def turn(app: Any, now_ms: int, said: bytes) -> tuple[bytes, int, int]:
    app.hal.now_ms = now_ms
    app.hal.link.arrived += said
    idle_ms = app.turn()
    sent = bytes(app.hal.link.sent)
    app.hal.link.sent.clear()
    return sent, app.core.outputs, idle_ms


def test_a_board_whose_epochs_turn_does_and_says_the_same_as_one_whose_time_is_one_number() -> None:
    parts, whole, host = build(), build(), Host()
    whole.clock.turn_over = lambda: False
    for now_ms in moments():
        said = host.frames(now_ms)
        for _ in range(2):
            assert turn(parts, now_ms, said) == turn(whole, now_ms, said), now_ms
            said = b""
    assert parts.clock.epochs == 4 == parts.core.epochs and whole.clock.epochs == 0
    assert parts.clock.now_ms < 2 * EPOCH_MS and whole.clock.now_ms > SMALL
    assert host.cmd_id > 1_000


def test_the_host_is_told_whole_times() -> None:
    app, host, reader = build(), Host(), BoardProtocol()
    told: list[Received] = []
    for now_ms in moments():
        sent, _, _ = turn(app, now_ms, host.frames(now_ms))
        told += [m for m in reader.receive_bytes(sent) if isinstance(m, Received)]
        told += [m for m in reader.receive_bytes(turn(app, now_ms, b"")[0]) if isinstance(m, Received)]
    late = [m for m in told[-60:] if "t_ms" in m.fields]
    assert late and all(m.fields["t_ms"] > SMALL for m in late if m.name in ("HEALTH", "SAMPLE", "RESULT"))
    times = [m.fields["t2_ms"] for m in told if m.name == "TIME"]
    assert times == sorted(times) and times[-1] > SMALL
    events = [m.fields["t_ms"] for m in told if m.name == "EVENT"]
    assert max(events) > SMALL and min(events) == 0


def test_an_event_that_nobody_fetches_keeps_its_moment() -> None:
    app = build()
    for now_ms in moments():
        turn(app, now_ms, b"")
    events = app.core.events
    oldest = events.at(0)[1] + events.epoch_at(0) * EPOCH_MS
    newest = events.at(events.count - 1)[1] + events.epoch_at(events.count - 1) * EPOCH_MS
    assert 0 <= oldest <= newest <= 5 * EPOCH_MS + DAY_MS


def test_garbage_is_collected_in_idle_turns_and_health_says_what_is_free_then() -> None:
    app, host, reader = build(), Host(), BoardProtocol()
    free = set()
    for now_ms in range(0, 600_000, 50):
        sent, _, _ = turn(app, now_ms, host.frames(now_ms))
        free |= {m.fields["heap_free"] for m in reader.receive_bytes(sent) if isinstance(m, Received)
                 and m.name == "HEALTH" and now_ms > 1_000}  # fmt: skip
    assert free == {100_000}
    assert 5 <= app.hal.collections <= 6, "every two minutes"


# -- 31 bits


class Overflow:
    """Where a result did not fit: (function, line, value)."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, int]] = []

    def check(self, value: object, where: str, line: int) -> object:
        if type(value) is int and not -SMALL <= value < SMALL:
            self.found.append((where, line, value))
        return value


class Checked(ast.NodeTransformer):
    """Every arithmetic result of a module goes through `_fits_31_bits(value, function, line)`."""

    def __init__(self, module: str) -> None:
        self.path = [module]

    def _inside(self, node: Any) -> ast.AST:
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()
        return node  # type: ignore[no-any-return]  # as it came

    visit_FunctionDef = visit_ClassDef = _inside

    def _checked(self, value: ast.expr, at: ast.AST) -> ast.expr:
        where = [ast.Constant(".".join(self.path)), ast.Constant(getattr(at, "lineno", 0))]
        return ast.copy_location(ast.Call(ast.Name("_fits_31_bits", ast.Load()), [value, *where], []), at)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._checked(node, node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._checked(node, node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        load = ast.parse(ast.unparse(node.target), mode="eval").body
        value = self._checked(ast.copy_location(ast.BinOp(load, node.op, node.value), node), node)
        return ast.copy_location(ast.Assign([node.target], value), node)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads `tomato` instrumented."""

    def __init__(self, overflow: Overflow) -> None:
        self.overflow = overflow

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != "tomato" and not name.startswith("tomato."):
            return None
        at = ROOT / Path(*name.split("."))
        is_package = at.is_dir()
        file = at / "__init__.py" if is_package else at.with_suffix(".py")
        spec = importlib.machinery.ModuleSpec(name, self, origin=str(file), is_package=is_package)
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None and module.__spec__.origin is not None
        tree = Checked(module.__name__).visit(ast.parse(Path(module.__spec__.origin).read_text()))
        module.__dict__["_fits_31_bits"] = self.overflow.check
        exec(compile(ast.fix_missing_locations(tree), module.__spec__.origin, "exec"), module.__dict__)


@contextmanager
def checked_modules() -> Iterator[Overflow]:
    """`import tomato...` gives instrumented modules inside."""
    overflow = Overflow()
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "tomato"}
    finder = Finder(overflow)
    sys.meta_path.insert(0, finder)
    try:
        yield overflow
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == "tomato"]:
            del sys.modules[name]
        sys.modules.update(kept)


TOLD = ("board_ms", "own_ms", "Session._events", "Session._refuse", "cbor.", "frame.", "crc", "Counters.record")
"""What a frame or a record needs, and not a tick: whole times, check sums, the bounds of a command's id."""


def in_ticks(overflow: Overflow) -> set[str]:
    return {f"{where}:{line}" for where, line, _ in overflow.found if not any(part in where for part in TOLD)}


def thirteen_days() -> set[str]:
    """Where the ticks of a board that lives beyond 2^30 ms compute what a 32-bit board would have to allocate."""
    with checked_modules() as overflow:
        app, host = build(), Host()
        overflow.found.clear()
        for now_ms in moments():
            turn(app, now_ms, host.frames(now_ms))
            turn(app, now_ms, b"")
        assert app.clock.epochs == 4
    return in_ticks(overflow)


def test_no_turn_of_thirteen_days_leaves_31_bits_but_for_what_is_sent() -> None:
    assert thirteen_days() == set()


def test_the_check_finds_what_it_is_for() -> None:
    """The same days with the time as one number, as it was."""
    with checked_modules() as overflow:
        app, host = build(), Host()
        app.clock.turn_over = lambda: False
        for now_ms in moments():
            turn(app, now_ms, host.frames(now_ms))
    assert any("clock64.Clock64.update" in where for where in in_ticks(overflow))
    assert any("Core" in where for where in in_ticks(overflow))


@pytest.mark.parametrize("ticks", [0, 5, (1 << 30) - 1])
def test_the_clock_turns_over_once_an_epoch_and_loses_nothing(ticks: int) -> None:
    from tomato.core.clock64 import Clock64

    clock, now = Clock64(ticks), 0
    for step in (1, 50, 3_600_000, EPOCH_MS - 7, 1 << 28, 1 << 27, 12, EPOCH_MS):
        now += step
        clock.update((ticks + now) & (SMALL - 1))
        clock.turn_over()
        assert clock.epochs * EPOCH_MS + clock.now_ms == now
        assert clock.now_ms < 2 * EPOCH_MS + EPOCH_MS
