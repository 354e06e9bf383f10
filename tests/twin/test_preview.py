"""Readings ahead of time: the world is left at their moment, or put back as if nobody had looked."""

from __future__ import annotations

from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.preview import Preview
from tomato_host.twin.sensors import Readings, to_block
from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUT_BY_NAME

LIGHT = OUTPUT_BY_NAME["light"].wire_id


def inputs(world: World) -> int:
    return world.reservoir_ok | world.leak << 1


def world_at(t_ms: int, scenario: str = "probe_drift@0+1") -> World:
    world = World(4, scenario=Scenario.parse(scenario))
    world.set_output(LIGHT, True, 7_000)
    for moment in (10_000, 10_800):
        world.readings(moment)
    world.advance_grid(t_ms)
    return world


def later(world: World) -> tuple[list[Readings], str, str]:
    """All that can be seen of the world afterwards."""
    readings = [world.readings(t_ms) for t_ms in (40_800, 50_000, 430_000)]
    return readings, repr(world.tent.truth()), repr((world.tent.plant, world.safety))


def test_readings_that_were_used_are_those_of_their_moment() -> None:
    for at_ms in (30_000, 30_800, 38_123):
        asked, foreseen = world_at(30_000), world_at(22_000)
        preview = Preview(foreseen)
        asked.advance_grid(at_ms)
        block = preview.block(at_ms, lambda world=foreseen: inputs(world))
        preview.settle(used=True)
        assert block == to_block(asked.readings(at_ms))
        assert later(foreseen) == later(asked)


def test_readings_that_were_not_used_leave_no_trace() -> None:
    for at_ms in (22_500, 30_000, 30_800):
        untouched, foreseen = world_at(22_000), world_at(22_000)
        preview = Preview(foreseen)
        assert preview.block(at_ms, lambda world=foreseen: inputs(world)) is not None
        preview.settle(used=False)
        assert later(foreseen) == later(untouched)


def test_what_cannot_be_taken_back_is_not_foreseen() -> None:
    """A fault that begins, a refill, the plant's slow step: the world stands as before, and nothing is promised."""
    fault = world_at(22_000, "leak@0.007+1")
    growth = world_at(294_000)
    refill = world_at(22_000)
    refill._next_refill_ms = 30_000
    for world, at_ms in ((fault, 30_000), (growth, 300_000), (refill, 30_000)):
        begun_ms = world.now_ms
        assert Preview(world).block(at_ms, lambda world=world: inputs(world)) is None
        assert world.now_ms == begun_ms


def test_an_input_that_changes_on_the_way_is_not_foreseen() -> None:
    """The board would have to know of it at the step that brings it, and not at its next look."""
    for at_ms, foreseen in ((30_000, False), (29_999, True)):
        world = world_at(22_000)
        begun_ms = world.now_ms
        block = Preview(world).block(at_ms, lambda world=world: int(world.now_ms >= 30_000))
        assert (block is not None) == foreseen
        assert foreseen or world.now_ms == begun_ms
