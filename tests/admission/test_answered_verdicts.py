"""One answer for an id: repeated when final, free again when it was "not now", also over restarts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.brain.admission.answered_verdicts import AnsweredVerdicts, params_fingerprint
from tomato_host.brain.guardrails import Guardrails, Verdict
from tomato_host.recovery.crash_recovery import read_interrupted_actions
from tomato_host.storage.dataset import Dataset

from shared_schemas.records import ActionV1
from tests.control.states import NOON
from tests.guardrails.proposals import ON, facts, proposal


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def water(key: str = "w-1", ml: float = 50.0, seconds: float = 0.0, origin: str = "api") -> ActionV1:
    return proposal("WATER", key, ts=at(seconds), origin=origin, ml=ml)


def judge(answers: AnsweredVerdicts, action: ActionV1, seconds: float = 0.0, **more: object) -> Verdict:
    return answers.judge(action, facts(at(seconds), **more), params_fingerprint(action))  # type: ignore[arg-type]


def test_an_accepted_id_is_answered_again_and_moves_nothing_again() -> None:
    answers = AnsweredVerdicts(guardrails := Guardrails())
    first = judge(answers, water())
    guardrails.release(first.action)
    again = judge(answers, water(seconds=60.0), 60.0)
    assert first.allowed and not first.repeated and again.repeated
    assert again.action == first.action and again.allowed
    assert guardrails.ledger.hold("water_pump", at(60).timestamp()) is None, "no second hold, no second dose"


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("link", {"link_up": False}),
        ("environment", {"leak": True}),
        ("mode", {"mode": "PAUSED"}),
        ("board_fault", {"faults": ("no_flow",)}),
    ],
)
def test_what_passes_burns_no_id(rule: str, first: dict[str, object]) -> None:
    answers = AnsweredVerdicts(Guardrails())
    assert judge(answers, water(), 0.0, **first).rule == rule
    retry = judge(answers, water(seconds=30.0), 30.0)
    assert retry.allowed and not retry.repeated, "the retry gets its dose"


def test_too_soon_passes_too() -> None:
    answers = AnsweredVerdicts(Guardrails())
    assert judge(answers, water("w-0")).allowed
    assert judge(answers, water("w-1", seconds=1_799.0), 1_799.0).rule == "interval"
    assert judge(answers, water("w-1", seconds=1_800.0), 1_800.0).allowed


def test_a_refusal_for_good_is_repeated() -> None:
    answers = AnsweredVerdicts(Guardrails())
    gas = proposal("CO2_INJECT", "g", origin="mqtt", seconds=20.0)
    refusals = [judge(answers, gas.model_copy(update={"ts": at(s)}), s) for s in (0.0, 60.0)]
    assert [v.rule for v in refusals] == ["permission", "permission"]
    assert [v.repeated for v in refusals] == [False, True]


def test_other_parameters_under_the_same_id_are_refused() -> None:
    answers = AnsweredVerdicts(Guardrails())
    assert judge(answers, water(ml=50.0)).allowed
    other = judge(answers, water(ml=51.0, seconds=3_600.0), 3_600.0)
    assert (other.allowed, other.rule, other.repeated) == (False, "id_reused", False)
    assert other.action.safety.refused_by == "id_reused"
    assert judge(answers, water(ml=50.0)).repeated, "the first answer stands"


def test_ids_belong_to_their_asker() -> None:
    answers = AnsweredVerdicts(Guardrails())
    assert judge(answers, proposal("SET_LIGHT", "1", origin="api", **ON)).allowed
    other = judge(answers, proposal("SET_LIGHT", "1", origin="mqtt", **ON))
    assert other.allowed and not other.repeated


def test_stopping_passes_every_time() -> None:
    answers = AnsweredVerdicts(Guardrails())
    for n in range(2):
        assert judge(answers, proposal("SET_LIGHT", f"l{n}", **ON)).allowed
        stop = judge(answers, proposal("STOP_ALL", "s"))
        assert stop.preempts == ("light",) and not stop.repeated
    assert judge(answers, proposal("WATER", None, ml=50.0)).rule == "idempotency"


def test_a_restart_knows_what_was_accepted_clipped_and_refused_for_good(tmp_path: Path) -> None:
    """Killed between the verdict and the first pulse: nothing has moved, and nothing moves twice."""
    before = AnsweredVerdicts(Guardrails())
    asked = [
        water("open", 50.0),
        proposal("SET_LIGHT", "clipped", origin="api", state="ON", seconds=21_600.0),
        proposal("CO2_INJECT", "never", origin="mqtt", seconds=20.0),
    ]
    verdicts = [judge(before, action) for action in asked]
    put_off = judge(before, water("later"), 0.0, link_up=False)
    assert [v.allowed for v in verdicts] == [True, True, False] and put_off.rule == "link"
    assert verdicts[1].rule == "per_action" and verdicts[1].action.safety.asked == asked[1].params
    with Dataset.open(tmp_path, fsync="never") as dataset:
        for verdict in (*verdicts, put_off):
            dataset.append(verdict.action)
    left = read_interrupted_actions(tmp_path)
    assert [one.action.id for one in left.interrupted] == ["open", "clipped"]
    after = AnsweredVerdicts(guardrails := Guardrails())
    assert after.restore(left.judged, at(60)) == 3
    for action, verdict in zip(asked, verdicts, strict=True):
        again = judge(after, action.model_copy(update={"ts": at(60)}), 60.0)
        assert again.repeated and again.action == verdict.action
        assert (again.allowed, again.rule, again.limit) == (verdict.allowed, verdict.rule, verdict.limit)
    assert judge(after, water("open", 60.0, 60.0), 60.0).rule == "id_reused"
    assert judge(after, water("later", 50.0, 60.0), 60.0).allowed, "what was put off gets its dose"
    assert guardrails.judge(asked[0], facts()).rule == "idempotency", "and the guardrails know by themselves"


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3_650)], ids=["1 h", "10 years"])
def test_a_wrong_clock_gives_no_second_dose_and_burns_no_id(ahead: timedelta) -> None:
    answers = AnsweredVerdicts(Guardrails())
    assert judge(answers, water()).allowed
    answers.clock_was_set(ahead)
    wrong = NOON + ahead + timedelta(seconds=60)
    again = water().model_copy(update={"ts": wrong})
    assert answers.judge(again, facts(wrong), params_fingerprint(again)).repeated
    answers.clock_was_set(-ahead)
    assert judge(answers, water(seconds=86_399.0), 86_399.0).repeated
    assert not judge(answers, water(seconds=86_400.0), 86_400.0).repeated
