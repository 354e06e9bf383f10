"""The stages of admission by themselves, at their bounds: quota, cooldown, backpressure, lanes, stored answers."""

from __future__ import annotations

import pytest
from tomato_host.brain.admission.backpressure import RefusalTally, backpressure
from tomato_host.brain.admission.fairness import FIRST_LANE_MOST, MOST_A_TURN, FairQueue
from tomato_host.brain.admission.idempotency import LIFETIME_S, IdempotencyTable, IntentKey
from tomato_host.brain.admission.quota import AgentUsage, cooldown, quota

from tests.admission.cases import agent, case

EPOCH_S = 1_780_000_000.0


def test_a_refusal_by_quota_says_what_it_would_come_to_and_when_to_ask_again() -> None:
    usage = AgentUsage()
    usage.settle({}, {"water_ml_per_day": 80.0}, EPOCH_S)
    asked = case(agent(quotas={"water_ml_per_day": 100.0}), "i", amounts={"water_ml_per_day": 30.0})
    refused = quota(asked, usage, EPOCH_S)
    assert refused is not None and (refused.value, refused.limit, refused.retry_after_s) == (110.0, 100.0, 3_600.0)
    assert quota(asked, usage, EPOCH_S + 86_400.0) is None


@pytest.mark.parametrize(("since_s", "left_s"), [(0.0, 10.0), (0.5, 9.5), (9.9, 0.1), (10.0, None), (-0.1, None)])
def test_a_pause_runs_from_the_last_effect(since_s: float, left_s: float | None) -> None:
    """By the clock of a tent: epoch seconds. An effect that lies ahead is no pause at all."""
    usage = AgentUsage()
    asked = case(agent(cooldown_s=10.0), "i")
    assert cooldown(asked, usage, EPOCH_S) is None, "nothing has had an effect yet"
    usage.last_effect_s = EPOCH_S
    refused = cooldown(asked, usage, EPOCH_S + since_s)
    assert (None if refused is None else refused.retry_after_s) == (None if left_s is None else pytest.approx(left_s))
    if refused is not None:
        assert (refused.value, refused.limit) == (pytest.approx(since_s), 10.0)


def test_a_newer_stop_takes_the_place_of_an_older_one_of_its_kind_and_of_nothing_else() -> None:
    record = agent(queue_most=3)
    queue = FairQueue()
    for name, kind, stops in (("lamp on", "lamp", False), ("fan off", "fan", True), ("lamp off", "lamp", True)):
        queue.put(case(record, name, kind=kind, stops=stops))
    over = backpressure(case(record, "newer", kind="lamp", stops=True), queue)
    assert over.refused is None and over.shed is not None and over.shed.id == "lamp off"
    assert over.shed_why is not None and "newer" in over.shed_why.text
    over = backpressure(case(record, "first of its kind", kind="pump", stops=True), queue)
    assert over.refused is over.shed is None


def test_what_was_shed_waits_no_more_also_when_it_had_been_sorted_in() -> None:
    record, queue = agent(), FairQueue()
    for name in "abcd":
        queue.put(case(record, name, stops=name in "bd"))
    assert [one.id for one in queue.turn(1)] == ["b"]
    for one in queue.of("a"):
        if one.id in "cd":
            queue.remove(one)
    assert [one.id for one in queue.of("a")] == ["a"] and queue.waiting("a") == 1
    assert [one.id for one in queue.turn()] == ["a"]


def test_a_minute_of_refusals_is_over_at_its_end() -> None:
    tally = RefusalTally()
    tally.add("a", "QUOTA_EXCEEDED", EPOCH_S)
    begun_s = EPOCH_S // 60 * 60
    assert tally.pop_closed(begun_s + 59.9) == []
    assert [(one.minute_s, one.count) for one in tally.pop_closed(begun_s + 60.0)] == [(begun_s, 1)]


def test_the_second_lane_has_a_quarter_of_each_turn_and_the_first_what_is_left() -> None:
    planner, others = agent("planner", origin="controller"), agent("others")
    queue = FairQueue()
    for i in range(100):
        queue.put(case(planner, f"p{i:03d}"))
    for i in range(10):
        queue.put(case(others, f"o{i:03d}"))
    shares = []
    for _ in range(3):
        served = [one.source for one in queue.turn()]
        shares.append((served.count("planner"), served.count("others")))
    quarter = MOST_A_TURN // 4
    assert MOST_A_TURN - quarter == FIRST_LANE_MOST
    assert shares == [(FIRST_LANE_MOST, quarter), (MOST_A_TURN - 2, 2), (MOST_A_TURN, 0)]


def test_three_agents_go_round_in_one_direction() -> None:
    queue = FairQueue()
    for i in range(3):
        for name in "abc":
            queue.put(case(agent(name), f"{name}{i}"))
    assert "".join(one.source for one in queue.turn()) == "abcabcabc"


def test_an_answer_that_is_stored_anew_is_the_newest_and_hides_no_old_one() -> None:
    table = IdempotencyTable[str]()
    keys = [IntentKey("tent", "a", name) for name in "xyz"]
    table.store(keys[0], "f", "first", 0.0)
    table.store(keys[1], "f", "other", 1.0)
    table.store(keys[0], "f", "again", LIFETIME_S + 0.5)
    assert len(table) == 2
    table.store(keys[2], "f", "third", LIFETIME_S + 1.0)
    assert len(table) == 2, "the other one is a day old"
    found = table.find(keys[0], "f", LIFETIME_S + 1.0)
    assert getattr(found, "answer", None) == "again" and table.find(keys[1], "f", LIFETIME_S + 1.0) is None
