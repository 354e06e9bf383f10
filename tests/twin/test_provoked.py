"""Faults asked for from outside: begun once at the present moment, ended by themselves, garbage ignored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tomato_host.sources.scenarios import FAULTS
from tomato_host.twin import provoked
from tomato_host.twin.provoked import ProvokedFaults
from tomato_host.twin.world import World

MINUTE_MS = 60_000


@pytest.fixture
def tent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, ProvokedFaults, Path]:
    monkeypatch.setattr(provoked, "LOOK_S", 0.0)
    world = World(3)
    world.advance_to(5 * MINUTE_MS)
    return world, ProvokedFaults(world, tmp_path), tmp_path


def test_a_fault_begins_now_lasts_as_asked_and_is_taken_back(tent: tuple[World, ProvokedFaults, Path]) -> None:
    world, faults, folder = tent
    before = world.surroundings.warmer_k
    provoked.ask(folder, "heatwave", 10.0)
    faults.look()
    assert not (folder / provoked.FILE).exists(), "read once"
    world.advance_to(6 * MINUTE_MS)
    assert world.surroundings.warmer_k == pytest.approx(before + 9.0)
    assert provoked.active(folder) == {"heatwave": world.moment(15 * MINUTE_MS + 1).isoformat()}
    provoked.ask(folder, "heatwave", 10.0)
    faults.look()
    world.advance_to(14 * MINUTE_MS)
    assert world.surroundings.warmer_k == pytest.approx(before + 9.0), "what lasts is not begun again"
    world.advance_to(16 * MINUTE_MS)
    assert world.surroundings.warmer_k == pytest.approx(before) and provoked.active(folder) == {}
    provoked.ask(folder, "heatwave", 10.0)
    faults.look()
    world.advance_to(17 * MINUTE_MS)
    assert world.surroundings.warmer_k == pytest.approx(before + 9.0), "and may come again later"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_of_the_table_can_be_provoked(tent: tuple[World, ProvokedFaults, Path], name: str) -> None:
    """Also by the grid alone, as the board's next due moment moves it: it met nothing at the present, for ever."""
    world, faults, folder = tent
    provoked.ask(folder, name, 1.0)
    faults.look()
    assert world.next_change_ms() > world.now_ms
    world.advance_grid(7 * MINUTE_MS)
    assert provoked.active(folder) == {}


@pytest.mark.parametrize(
    "wanted",
    [b"", b"[]", b'{"fault": "dragon", "minutes": 5}', b'{"fault": "leak"}', b'{"fault": "leak", "minutes": -1}'],
)
def test_anything_else_is_removed_and_changes_nothing(tent: tuple[World, ProvokedFaults, Path], wanted: bytes) -> None:
    _, faults, folder = tent
    (folder / provoked.FILE).write_bytes(wanted)
    faults.look()
    assert not (folder / provoked.FILE).exists() and provoked.active(folder) == {}


def test_what_an_earlier_run_has_left_is_gone(tmp_path: Path) -> None:
    provoked.ask(tmp_path, "leak", 5.0)
    (tmp_path / provoked.ACTIVE).write_text(json.dumps({"leak": "2026-05-01T00:00:00+00:00"}))
    ProvokedFaults(World(3), tmp_path)
    assert not (tmp_path / provoked.FILE).exists() and provoked.active(tmp_path) == {}
