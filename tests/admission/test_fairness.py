"""Deficit round robin: nobody waits for a flood of another, equals get equal shares, and order follows from content."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.admission.fairness import FIRST_LANE_MOST, MOST_A_TURN, FairQueue

from tests.admission.cases import Bench, agent, case


def jain(shares: list[int]) -> float:
    """Jain's index: 1 when all shares are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def test_nine_agents_flood_for_a_minute() -> None:
    """3,000 turns of 20 ms: each flooding agent keeps its queue full; planner and safe mode ask once in ten turns."""
    floods = [agent(f"flood{i}", queue_most=8) for i in range(9)]
    planner, safe_mode = agent("planner", origin="controller"), agent("safe_mode", origin="safe_mode")
    bench = Bench(*floods, planner, safe_mode)
    number, late = 0, list[str]()
    for turn in range(3_000):
        now_s = turn * 0.02
        for record in floods:
            for _ in range(6):
                number += 1
                bench.submit(case(record, f"i{number}", now_s), now_s)
        asked = {f"p{turn}", f"s{turn}"} if turn % 10 == 0 else set[str]()
        if asked:
            assert bench.submit(case(planner, f"p{turn}", now_s), now_s) is None, "no refusal by quota or backpressure"
            assert bench.submit(case(safe_mode, f"s{turn}", now_s), now_s) is None
        answered = {answer.id for answer in bench.turn(now_s) if answer.code is None}
        late += sorted(asked - answered)
    served = Counter(name for name, _ in bench.committed)
    assert late == [], "planner and safe mode wait one turn at most"
    assert served["planner"] == served["safe_mode"] == 300
    assert jain([served[record.name] for record in floods]) >= 0.99
    assert sum(served.values()) > 3_000 * MOST_A_TURN * 0.99, "the turns are full"


def test_weights_are_shares() -> None:
    light, heavy = agent("light"), agent("heavy", weight=3)
    queue = FairQueue()
    for i in range(400):
        queue.put(case(light, f"l{i}"))
        queue.put(case(heavy, f"h{i}"))
    served = Counter(one.source for _ in range(10) for one in queue.turn())
    assert served == {"light": 80, "heavy": 240}


def test_a_turn_that_ends_within_a_share_goes_on_there() -> None:
    heavy, light = agent("heavy", weight=5), agent("light")
    queue = FairQueue()
    for i in range(20):
        queue.put(case(heavy, f"h{i:02d}"))
        queue.put(case(light, f"l{i:02d}"))
    turns = ["".join(one.source[0] for one in queue.turn(4)) for _ in range(6)]
    assert "".join(turns) == "hhhhhl" * 3 + "hhhhhl"


@given(st.permutations(range(12)))
def test_a_quantum_is_ordered_by_its_content_not_by_arrival(order: list[int]) -> None:
    """Simulated time, then priority (higher first), then source, then id."""
    cases = [
        case(agent(name), intent_id, sim_time_s=time_s, priority=priority)
        for name, intent_id, time_s, priority in [
            *[(f"a{i}", f"x{i}", 1.0, 0) for i in range(4)],
            *[(f"b{i}", f"y{i}", 0.5, 0) for i in range(4)],
            *[(f"c{i}", f"z{i}", 1.0, 5) for i in range(4)],
        ]
    ]
    queue = FairQueue()
    for i in order:
        queue.put(cases[i])
    served = [one.source for one in queue.turn()]
    assert served == ["b0", "b1", "b2", "b3", "c0", "c1", "c2", "c3", "a0", "a1", "a2", "a3"]


def test_a_stop_goes_before_everything_else_of_its_agent() -> None:
    record = agent()
    queue = FairQueue()
    for i in range(40):
        queue.put(case(record, f"i{i}"))
    queue.put(case(record, "off", stops=True))
    assert next(queue.turn()).id == "off"


def test_the_first_lane_leaves_a_quarter_of_every_turn() -> None:
    owner, other = agent("owner", role="owner"), agent("other")
    queue = FairQueue()
    for i in range(100):
        queue.put(case(owner, f"o{i}"))
        queue.put(case(other, f"x{i}"))
    served = Counter(one.source for one in queue.turn())
    assert served == {"owner": FIRST_LANE_MOST, "other": MOST_A_TURN - FIRST_LANE_MOST}


def test_an_agent_that_rests_saves_nothing_up() -> None:
    sleeper, busy = agent("sleeper", weight=4), agent("busy", weight=4)
    queue = FairQueue()
    queue.put(case(sleeper, "s"))
    assert len(list(queue.turn())) == 1
    for i in range(40):
        queue.put(case(busy, f"b{i:02d}"))
        queue.put(case(sleeper, f"s{i:02d}"))
    served = Counter(one.source for one in queue.turn())
    assert served == {"busy": 16, "sleeper": 16}


def test_a_case_is_taken_out_whether_its_quantum_was_sorted_or_not() -> None:
    record = agent()
    queue = FairQueue()
    first, second, third = (case(record, name) for name in "abc")
    queue.put(first)
    queue.put(second)
    assert next(queue.turn()) is first
    queue.put(third)
    assert queue.of("a") == [second, third]
    queue.remove(third)
    queue.remove(second)
    assert len(queue) == queue.waiting("a") == 0 and list(queue.turn()) == []
    with pytest.raises(KeyError):
        queue.remove(second)
