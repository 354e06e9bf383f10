"""Once only: final answers are repeated for 24 h, "not now" is not stored, and no wrong clock loses or keeps an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.admission.idempotency import (
    LIFETIME_S,
    IdempotencyTable,
    IntentKey,
    NoAnswer,
    StoredIntent,
    fingerprint,
)

KEY = IntentKey("tent", "sitter", "w-1")
WATER = fingerprint("WATER", {"ml": 100.0, "pulses": 1})
NOW_S = 1_780_000_000.0
YEARS_S = 10 * 365 * 86_400.0


def answered(table: IdempotencyTable[str], key: IntentKey = KEY, now_s: float = NOW_S) -> str | NoAnswer | None:
    found = table.find(key, WATER, now_s)
    return found.answer if isinstance(found, StoredIntent) else found


def test_a_final_answer_is_repeated_for_a_day() -> None:
    table = IdempotencyTable[str]()
    assert answered(table) is None, "an unknown id is new"
    table.store(KEY, WATER, "accepted", NOW_S)
    assert answered(table) == "accepted"
    assert answered(table, now_s=NOW_S + LIFETIME_S - 1) == "accepted"
    assert answered(table, now_s=NOW_S + LIFETIME_S) is None


def test_the_same_id_with_other_parameters_is_refused_as_422() -> None:
    table = IdempotencyTable[str]()
    table.store(KEY, WATER, "accepted", NOW_S)
    other = fingerprint("WATER", {"ml": 101.0, "pulses": 1})
    assert table.find(KEY, other, NOW_S) is NoAnswer.ID_REUSED and NoAnswer.ID_REUSED.value == 422
    assert table.find(KEY, other, NOW_S + LIFETIME_S) is None, "the id is free again after its day"


@pytest.mark.parametrize("other", [KEY._replace(tent="second"), KEY._replace(agent="mqtt"), KEY._replace(id="w-2")])
def test_ids_are_those_of_one_agent_of_one_tent(other: IntentKey) -> None:
    table = IdempotencyTable[str]()
    table.store(KEY, WATER, "accepted", NOW_S)
    assert answered(table, other) is None


def test_there_is_one_answer_to_an_id() -> None:
    table = IdempotencyTable[str]()
    table.store(KEY, WATER, "accepted", NOW_S)
    table.store(KEY, WATER, "refused", NOW_S + 10)
    assert answered(table, now_s=NOW_S + LIFETIME_S - 1) == "accepted"
    assert answered(table, now_s=NOW_S + LIFETIME_S) is None, "a second store makes it no younger"
    table.store(KEY, WATER, "refused", NOW_S + LIFETIME_S)
    assert answered(table, now_s=NOW_S + LIFETIME_S) == "refused"


def test_until_earlier_answers_are_read_an_unknown_id_waits() -> None:
    table = IdempotencyTable[str](ready=False)
    assert answered(table) is NoAnswer.UNAVAILABLE and NoAnswer.UNAVAILABLE.value == 503
    table.store(KEY._replace(id="now"), WATER, "accepted", NOW_S)
    assert answered(table, KEY._replace(id="now")) == "accepted", "what is known is answered meanwhile"
    earlier = [
        StoredIntent(KEY, WATER, "accepted", NOW_S - 3_600),
        StoredIntent(KEY._replace(id="old"), WATER, "accepted", NOW_S - LIFETIME_S),
        StoredIntent(KEY._replace(id="now"), WATER, "of an earlier process", NOW_S - 60),
    ]
    assert table.restore(earlier, NOW_S) == 2
    assert table.ready and answered(table) == "accepted"
    assert answered(table, KEY._replace(id="old")) is None
    assert answered(table, KEY._replace(id="now")) == "accepted"
    assert answered(table, now_s=NOW_S - 3_600 + LIFETIME_S) is None, "its day began when it was stored"


@pytest.mark.parametrize("ahead_s", [3_600.0, 13 * 3_600.0, YEARS_S])
def test_an_answer_from_the_future_counts_as_of_now(ahead_s: float) -> None:
    """To forget it would allow a second effect; to leave it there would burn the id for years."""
    live, restored = IdempotencyTable[str](), IdempotencyTable[str](ready=False)
    live.store(KEY, WATER, "accepted", NOW_S + ahead_s)
    restored.restore([StoredIntent(KEY, WATER, "accepted", NOW_S + ahead_s)], NOW_S)
    for table in (live, restored):
        assert answered(table) == "accepted"
        assert answered(table, now_s=NOW_S + LIFETIME_S - 1) == "accepted"
        assert answered(table, now_s=NOW_S + LIFETIME_S) is None


def test_the_table_is_bounded_by_age_and_by_number() -> None:
    table = IdempotencyTable[str](most=3)
    table.store(KEY._replace(id="ahead"), WATER, "accepted", NOW_S + YEARS_S)
    for n in range(3):
        table.store(KEY._replace(id=str(n)), WATER, "accepted", NOW_S + n)
    assert len(table) == 3 and answered(table, KEY._replace(id="0"), NOW_S + 2) is None
    assert answered(table, KEY._replace(id="ahead"), NOW_S + 2) == "accepted"
    table.store(KEY, WATER, "accepted", NOW_S + LIFETIME_S + 60)
    assert len(table) == 1, "what is over its age leaves when something is stored"


def test_the_fingerprint_is_of_what_is_asked_for() -> None:
    assert fingerprint("WATER", {"pulses": 1, "ml": 100.0}) == WATER, "whatever the order"
    assert fingerprint("WATER", {"pulses": 2, "ml": 100.0}) != WATER
    assert fingerprint("CO2_INJECT", {"ml": 100.0, "pulses": 1}) != WATER
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint("WATER", {"ml": float("nan")})


Call = tuple[int, bool, bool, float]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.floats(0.0, 40_000.0))))
def test_no_sequence_gives_a_second_effect_within_a_day(calls: list[Call]) -> None:
    """Retries, refusals for the moment, restarts: an id is accepted once in 24 h, and always if it was only put off."""
    table, now_s, accepted, log = IdempotencyTable[str](), NOW_S, dict[int, float](), list[StoredIntent[str]]()
    for number, possible, restart, later_s in calls:
        now_s += later_s
        if restart:
            table = IdempotencyTable[str](ready=False)
            table.restore(log, now_s)
        key = KEY._replace(id=str(number))
        found = answered(table, key, now_s)
        known = number in accepted and now_s - accepted[number] < LIFETIME_S
        assert found == ("accepted" if known else None)
        if found is None and possible:
            accepted[number] = now_s
            table.store(key, WATER, "accepted", now_s)
            log = [*(i for i in log if i.key != key), StoredIntent(key, WATER, "accepted", now_s)]
