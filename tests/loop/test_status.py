"""What the status says between two turns: an alarm is sent at once, with whatever the status holds then."""

from __future__ import annotations

from pathlib import Path

from tomato_host.commands.inbox import Request
from tomato_host.loop.live_values import live_values

from shared_schemas.records import Record
from tests.incidents.loop import Loop


def test_a_reading_is_shown_with_its_own_estimate_at_every_record(tmp_path: Path) -> None:
    """A dashboard once showed a new VPD beside the moment and the water of the estimate before."""
    loop = Loop(tmp_path)
    seen: list[tuple[str | None, str | None]] = []

    def look(_: Record) -> None:
        live = live_values(loop.status)
        seen.append((live["ts"], live["reading_ts"]))

    try:
        loop.recorder.listeners.append(look)
        loop.live(60.0)
        paused = Request(id="p", ts=loop.clock.now(), kind="mode", mode="PAUSED", reason="looking on")
        assert loop.ask(paused, 5.0) is not None
        loop.live(60.0)
    finally:
        loop.close()
    assert len(set(seen)) > 5
    assert all(moment == reading for moment, reading in seen), seen
