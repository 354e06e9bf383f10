"""The stages of admission: what is refused, in which order, what is stored, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.pipeline import TURN_S
from tomato_host.brain.admission.refusals import REFUSAL_CODES, Refusal
from tomato_host.brain.admission.staleness import REMEMBERED, ViewChanges, touches

from tests.admission.cases import Bench, agent, case

DAY_S = 86_400.0


def test_an_accepted_intent_has_one_effect_and_one_answer() -> None:
    record = agent()
    bench = Bench(record)
    assert bench.submit(case(record, "i")) is None
    (answer,) = bench.turn()
    assert (answer.status, answer.effect) == ("accepted", "e-i")
    again = bench.submit(case(record, "i"), 100.0)
    assert again is not None and again.to_json() == answer.to_json()
    assert bench.turn(100.0) == [] and bench.committed == [("a", "i")]


def test_a_repeat_while_it_waits_waits_with_it() -> None:
    record = agent()
    bench = Bench(record)
    assert bench.submit(case(record, "i")) is None and bench.submit(case(record, "i")) is None
    assert len(bench.turn()) == 1 and bench.judged == ["i"]


@pytest.mark.parametrize("when", ["waiting", "answered"])
def test_the_same_id_with_other_parameters_is_another_intent(when: str) -> None:
    record = agent()
    bench = Bench(record)
    bench.submit(case(record, "i"))
    if when == "answered":
        bench.turn()
    other = bench.submit(case(record, "i", fingerprint="g"))
    assert other is not None and other.code == "ID_REUSED"
    bench.turn()
    repeated = bench.submit(case(record, "i"))
    assert repeated is not None and repeated.status == "accepted", "the first keeps its answer"


def test_a_refusal_that_passes_does_not_burn_the_id() -> None:
    """A known mistake: the retry of a refused intent is answered `ok` and does nothing, or is refused for ever."""
    record = agent()
    link = [Refusal("UNAVAILABLE", "no link", retry_after_s=5.0)]
    bench = Bench(record, refuse=lambda _: link.pop() if link else None)
    bench.submit(case(record, "i"))
    (first,) = bench.turn()
    assert (first.code, first.retry_after_s, bench.committed) == ("UNAVAILABLE", 5.0, [])
    assert bench.submit(case(record, "i"), 5.0) is None
    (second,) = bench.turn(5.0)
    assert second.status == "accepted" and bench.committed == [("a", "i")]


def test_a_final_refusal_is_committed_and_repeated() -> None:
    """A known mistake: a refusal that is only logged, while the caller hears `accepted`."""
    record = agent()
    bench = Bench(record, refuse=lambda _: Refusal("INTENT_CONFLICT", "the can is taken"))
    bench.submit(case(record, "i"))
    (answer,) = bench.turn()
    assert (answer.status, answer.code) == ("refused", "INTENT_CONFLICT")
    assert bench.submit(case(record, "i")) == answer and bench.refusals == [("a", "i")] and bench.judged == ["i"]


def test_what_the_log_does_not_take_has_not_happened() -> None:
    record = agent(quotas={"water_ml_per_day": 100.0})
    bench = Bench(record)
    bench.broken = True
    bench.submit(case(record, "i", amounts={"water_ml_per_day": 100.0}))
    (answer,) = bench.turn()
    assert answer.code == "UNAVAILABLE" and bench.committed == []
    bench.broken = False
    assert bench.submit(case(record, "i", amounts={"water_ml_per_day": 100.0})) is None, "quota and id are free again"
    assert [a.status for a in bench.turn()] == ["accepted"]


def test_until_the_answers_are_read_an_unknown_id_waits_but_a_stop_does_not() -> None:
    """A known mistake: deduplication is off for minutes after a restart."""
    record, safe_mode = agent(), agent("safe", origin="safe_mode")
    bench = Bench(record, safe_mode)
    bench.answers.ready = False
    answer = bench.submit(case(record, "i"))
    assert answer is not None and answer.code == "UNAVAILABLE" and answer.retry_after_s == 1.0
    assert bench.submit(case(record, "off", stops=True)) is None and bench.submit(case(safe_mode, "s")) is None
    assert {a.id for a in bench.turn()} == {"off", "s"}


def test_answers_last_a_day() -> None:
    record = agent()
    bench = Bench(record)
    bench.submit(case(record, "i"))
    bench.turn()
    repeated = bench.submit(case(record, "i"), DAY_S - 1.0)
    assert repeated is not None and repeated.status == "accepted"
    assert bench.submit(case(record, "i"), DAY_S) is None, "a day later it is a new intent"


# -- quarantine, permission, staleness ----------------------------------------------------------------------------


def test_quarantine_holds_also_for_what_waits_and_lets_stops_pass() -> None:
    record = agent()
    bench = Bench(record)
    bench.submit(case(record, "before"))
    bench.admission.set_agent(agent(state="quarantined", reason="five bad tokens"))
    (answer,) = bench.turn()
    assert answer.code == "QUARANTINED" and "five bad tokens" in answer.text
    refused = bench.submit(case(record, "after"))
    assert refused is not None and refused.code == "QUARANTINED"
    assert bench.submit(case(record, "off", stops=True)) is None
    assert [a.status for a in bench.turn()] == ["accepted"]


def test_only_what_an_agent_may_ask_for() -> None:
    record = agent(may=["WATER"])
    bench = Bench(record)
    refused = bench.submit(case(record, "i", kind="SET_LIGHT"))
    assert refused is not None and refused.code == "NOT_PERMITTED" and refused.final
    assert bench.submit(case(record, "j", kind="WATER")) is None
    assert bench.submit(case(record, "k", kind="SET_LIGHT", stops=True)) is None, "a stop is open to all"


@pytest.mark.parametrize(
    ("changed", "read", "stale"),
    [
        ("/soil/P1/moisture_pct", "/soil", True),
        ("/soil", "/soil/P1", True),
        ("/soil/P1", "/soil/P1", True),
        ("/soil/P10", "/soil/P1", False),
        ("/air/temp_c", "/soil", False),
        ("", "/soil", True),
        ("/soil", "", True),
    ],
)
def test_a_change_makes_stale_what_was_read(changed: str, read: str, stale: bool) -> None:
    assert touches(changed, read) is stale
    record = agent()
    bench = Bench(record)
    bench.admission.accounts["a"].view.add([changed])
    answer = bench.submit(case(record, "i", context_seq=0, reads=(read,)))
    assert (answer is not None and answer.code == "STALE_CONTEXT") is stale


def test_staleness_counts_beyond_the_threshold_and_is_looked_at_again_in_the_turn() -> None:
    record = agent(stale_after=2)
    bench = Bench(record)
    view = bench.admission.accounts["a"].view
    view.add(["/soil"])
    view.add(["/soil"])
    assert bench.submit(case(record, "i", context_seq=0, reads=("/soil",))) is None
    view.add(["/soil"])
    (answer,) = bench.turn()
    assert (answer.code, answer.value, answer.limit, answer.final) == ("STALE_CONTEXT", 3.0, 2.0, False)


def test_a_view_that_is_not_remembered_is_stale() -> None:
    changes = ViewChanges()
    assert changes.newer(5, ("/x",)) is None, "a number of another process"
    for _ in range(REMEMBERED + 10):
        changes.add(["/y"])
    assert changes.newer(9, ("/x",)) is None and changes.newer(10, ("/x",)) == 0
    assert changes.newer(changes.seq, ("/y",)) == 0 and changes.newer(changes.seq - 1, ("/y",)) == 1


def test_a_stop_is_never_stale() -> None:
    record = agent()
    bench = Bench(record)
    bench.admission.accounts["a"].view.add(["/devices"])
    assert bench.submit(case(record, "off", context_seq=0, reads=("/devices",), stops=True)) is None


# -- quota, cooldown, deadline -------------------------------------------------------------------------------------


def test_a_quota_of_intents_is_the_agents_own_and_rolls() -> None:
    few, other = agent(quotas={"intents_per_hour": 2}), agent("b")
    bench = Bench(few, other)
    assert [bench.submit(case(few, f"i{i}"), float(i)) is None for i in range(3)] == [True, True, False]
    assert bench.submit(case(other, "i"), 3.0) is None
    assert bench.submit(case(few, "off", stops=True), 3.0) is None, "a stop counts for nothing"
    bench.turn(4.0)
    assert bench.submit(case(few, "later"), 3_600.0) is None, "the first of them is over an hour old"
    assert bench.submit(case(few, "later still"), 3_600.0) is not None


@given(st.lists(st.floats(1.0, 120.0), min_size=1, max_size=30), st.integers(1, 8))
def test_no_order_of_turns_exceeds_a_daily_quota(amounts: list[float], each: int) -> None:
    """What waits is reserved: two that wait cannot both use the same rest."""
    record = agent(quotas={"water_ml_per_day": 300.0}, queue_most=100)
    bench = Bench(record)
    for i, ml in enumerate(amounts):
        bench.submit(case(record, str(i), amounts={"water_ml_per_day": ml}))
        if i % each == 0:
            bench.turn()
    bench.turn()
    assert sum(amounts[int(name)] for _, name in bench.committed) <= 300.0 + 0.05
    assert bench.admission.accounts["a"].usage.used("water_ml_per_day", 0.0) <= 300.0


def test_a_refused_intent_gives_its_reservation_back() -> None:
    record = agent(quotas={"water_ml_per_day": 100.0})
    bench = Bench(record, refuse=lambda one: Refusal("INTENT_CONFLICT", "wet") if one.id == "i" else None)
    bench.submit(case(record, "i", amounts={"water_ml_per_day": 100.0}))
    over = bench.submit(case(record, "j", amounts={"water_ml_per_day": 1.0}))
    assert over is not None and over.code == "QUOTA_EXCEEDED" and not over.final
    bench.turn()
    assert bench.submit(case(record, "j", amounts={"water_ml_per_day": 1.0})) is None


def test_the_owner_and_safe_mode_are_exempt_from_quota_and_shedding() -> None:
    for record in (
        agent(role="owner", quotas={"intents_per_hour": 0}, queue_most=1),
        agent(origin="safe_mode", quotas={"intents_per_hour": 0}, queue_most=1),
    ):
        bench = Bench(record)
        assert all(bench.submit(case(record, f"i{i}")) is None for i in range(20))
        assert len(bench.turn()) == 20


def test_cooldown() -> None:
    record = agent(cooldown_s=10.0)
    bench = Bench(record)
    bench.submit(case(record, "i"))
    bench.turn()
    bench.submit(case(record, "j"), 4.0)
    (answer,) = bench.turn(4.0)
    assert (answer.code, answer.retry_after_s) == ("COOLDOWN", 6.0)
    bench.submit(case(record, "j"), 10.0)
    assert [a.status for a in bench.turn(10.0)] == ["accepted"]


def test_a_cooldown_and_a_quota_follow_a_clock_that_is_set() -> None:
    """Thirteen hours ahead and set back: what was 4 s ago is 4 s ago, and starves nobody for thirteen hours."""
    ahead_s = 46_800.0
    record = agent(cooldown_s=10.0, quotas={"intents_per_hour": 3})
    bench = Bench(record)
    bench.submit(case(record, "i"), ahead_s)
    bench.turn(ahead_s)
    bench.admission.clock_was_set(-ahead_s)
    bench.submit(case(record, "j"), 4.0)
    (answer,) = bench.turn(4.0)
    assert (answer.code, answer.retry_after_s) == ("COOLDOWN", 6.0)
    bench.submit(case(record, "j"), 10.0)
    assert [a.status for a in bench.turn(10.0)] == ["accepted"]
    assert bench.admission.accounts["a"].usage.intents(10.0) == 3


def test_an_effect_that_lies_in_the_future_is_no_cooldown() -> None:
    record = agent(cooldown_s=10.0)
    bench = Bench(record)
    bench.submit(case(record, "i"), 46_800.0)
    bench.turn(46_800.0)
    bench.submit(case(record, "j"), 0.0)
    assert [a.status for a in bench.turn(0.0)] == ["accepted"]


@pytest.mark.parametrize("limit", [{"deadline_s": 2.0}, {"not_after_s": 2.0}])
def test_an_intent_that_waited_too_long_moves_nothing(limit: dict[str, float]) -> None:
    record = agent()
    bench = Bench(record)
    bench.submit(case(record, "i", **limit))
    (answer,) = bench.turn(2.1)
    assert answer.code == "TIMEOUT" and bench.judged == []


# -- backpressure --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "answered", "served", "retry_s"),
    [("defer", "c", "ab", 1.0), ("drop_newest", "c", "ab", None), ("shed_oldest", "a", "bc", 1.0)],
)
def test_backpressure_policies(policy: str, answered: str, served: str, retry_s: float | None) -> None:
    record = agent(backpressure=policy, queue_most=2)
    bench = Bench(record)
    direct = [bench.submit(case(record, name, float(i))) for i, name in enumerate("abc")]
    refused = [a for a in [*direct, *bench.admission.pop_shed()] if a is not None]
    assert [(a.id, a.code, a.retry_after_s, a.final) for a in refused] == [(answered, "BACKPRESSURE", retry_s, False)]
    assert "".join(a.id for a in bench.turn()) == served


def test_shedding_never_sheds_a_stop() -> None:
    """A known mistake: `shed oldest` sheds the oldest intent, and that was the one that switches off."""
    record = agent(backpressure="shed_oldest", queue_most=2)
    bench = Bench(record)
    bench.submit(case(record, "off", 0.0, stops=True, kind="SET_LIGHT"))
    for i in range(10):
        bench.submit(case(record, f"i{i}", 1.0 + i))
    assert "off" in {a.id for a in bench.turn()}
    assert "off" not in {a.id for a in bench.admission.pop_shed()}


def test_a_flood_of_stops_is_bounded_and_the_newest_of_each_kind_stays() -> None:
    record = agent(queue_most=4)
    bench = Bench(record)
    for i in range(100):
        assert bench.submit(case(record, f"off{i}", float(i), stops=True, kind=f"SET_{i % 3}")) is None
    assert bench.admission.queue.waiting("a") <= 4
    assert {"off97", "off98", "off99"} <= {a.id for a in bench.turn()}


def test_a_flood_of_refusals_is_a_few_counts() -> None:
    record = agent(quotas={"intents_per_hour": 1})
    bench = Bench(record)
    for i in range(1_000):
        bench.submit(case(record, f"i{i}"), 30.0 + i * 0.06)
    assert bench.admission.tally.pop_closed(59.0) == []
    first, second = bench.admission.tally.pop_closed(150.0)
    assert (first.agent, first.code, first.minute_s, second.minute_s) == ("a", "QUOTA_EXCEEDED", 0, 60)
    assert first.count + second.count == 999 and bench.admission.tally.pop_closed(1e9) == []


# -- turn ------------------------------------------------------------------------------------------------------------


def test_a_turn_ends_after_its_time() -> None:
    record = agent()
    bench = Bench(record)
    for i in range(20):
        bench.submit(case(record, f"i{i}"))
    spent = iter([0.0, TURN_S / 2, TURN_S])
    assert len(list(bench.admission.turn(0.0, lambda: next(spent)))) == 3
    assert len(bench.turn()) == 17, "the rest is served in the next turn"


def test_cancelling_what_waits() -> None:
    record = agent(quotas={"water_ml_per_day": 50.0})
    bench = Bench(record)
    one = case(record, "i", amounts={"water_ml_per_day": 50.0})
    bench.submit(one)
    answer = bench.admission.cancel("a", "i", "not wanted", 0.0)
    assert answer is not None and answer.code == "CANCELLED" and bench.turn() == []
    assert bench.admission.cancel("a", "i", "again", 0.0) is None
    assert bench.submit(one) == answer, "a late duplicate of a cancelled intent moves nothing"
    assert bench.submit(case(record, "j", amounts={"water_ml_per_day": 50.0})) is None, "its reservation is free"


def test_every_code_says_what_to_do() -> None:
    assert len({row.code for row in REFUSAL_CODES}) == len(REFUSAL_CODES)
    for row in REFUSAL_CODES:
        assert row.http_status in (403, 409, 422, 429, 503) and row.grpc_status.isupper() and row.meaning
        assert row.final is False or row.http_status in (403, 409), "what is to be tried again is not final"


@given(st.text(), st.sampled_from(["accepted", "clipped"]), st.none() | st.floats(allow_nan=False))
def test_an_answer_reads_back_as_it_was(text: str, status: str, value: float | None) -> None:
    answer = Answer("a", "i", status, text=text, value=value)  # type: ignore[arg-type]  # a status by its name
    assert Answer.from_json(answer.to_json()) == answer
    assert Answer.from_json(answer.to_json()).to_json() == answer.to_json()


def test_the_page_of_errors_shows_the_table_of_codes() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text()
    for row in REFUSAL_CODES:
        final = "yes" if row.final else "no"
        line = f"| `{row.code}` | {row.meaning} | {row.http_status} | {row.grpc_status} | {row.recovery} | {final} |"
        assert line in page, row.code
