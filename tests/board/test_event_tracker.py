"""Events on a line that loses frames both ways: each comes once, and the board forgets none that has not arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tomato.core.ring import EventRing
from tomato_host.board.event_tracker import ROUNDS, EventTracker

SLOTS = 8
pushes = st.integers(0, 5)
frames_lost = st.sets(st.integers(0, SLOTS - 1))
rounds = st.lists(st.tuples(pushes, frames_lost, st.booleans()), max_size=30)


def tell(ring: EventRing, tracker: EventTracker, lost: set[int]) -> list[int]:
    """One round of the board's over the line; the events that are new to the host."""
    numbers = [ring.at(i)[0] for i in range(ring.count)]
    return [seq for place, seq in enumerate(numbers) if place not in lost and tracker.add(seq)]


@given(rounds)
def test_each_event_comes_once_and_none_is_forgotten_unheard(turns: list[tuple[int, set[int], bool]]) -> None:
    """Unless the ring was full, or the first frame of as many rounds in a row as settle a gap was lost."""
    ring, tracker = EventRing(SLOTS), EventTracker()
    came: list[int] = []
    blind = 0
    for pushed, lost, ack_arrives in turns:
        for _ in range(pushed):
            if ring.count < SLOTS:  # a full ring drops events and counts them
                ring.push(0, 1)
        blind = blind + 1 if 0 in lost and ring.count else 0
        if blind >= ROUNDS:
            lost, blind = lost - {0}, 0
        came += tell(ring, tracker, lost)
        if ack_arrives:
            ring.ack(tracker.whole_up_to)
        held = {ring.at(i)[0] for i in range(ring.count)}
        assert set(came) | held >= set(range(ring.next_seq)), "forgotten by the board before it was heard"
    came += tell(ring, tracker, set()) + tell(ring, tracker, set())
    assert sorted(came) == list(range(ring.next_seq))
    assert tracker.whole_up_to == ring.next_seq - 1


@given(st.integers(1, 100), st.integers(0, 100))
def test_a_ring_that_was_full_is_acknowledged_after_its_second_round(dropped: int, kept: int) -> None:
    tracker = EventTracker()
    told = list(range(dropped, dropped + kept + 1))
    assert [seq for seq in told if tracker.add(seq)] == told
    assert tracker.whole_up_to == -1
    assert not any(tracker.add(seq) for seq in told)
    assert tracker.whole_up_to == told[-1]
