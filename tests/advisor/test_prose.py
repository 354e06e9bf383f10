"""Prose from facts: a number that code did not write never passes, in whatever script or word it comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.advisor.backends.chat import BackendFault, ChatReply, ChatRequest, NoBackend
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.text.facts import Fact, cycle_facts, day_facts, numbered
from tomato_host.advisor.text.numbers import foreign_numbers, numbers_in
from tomato_host.advisor.text.prose import accepted, template_text, write_prose

from tests.advisor.wakes import context, state

FACTS = (Fact("air temperature", "24.3 °C"), Fact("water used today", "1600 ml"))


class Script:
    """Answers from a list, one after the other."""

    name, sees, model_hash = "script", False, "script"

    def __init__(self, *texts: str | BackendFault) -> None:
        self._texts = list(texts)
        self.asked: list[ChatRequest] = []

    def chat(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        answer = self._texts.pop(0)
        if isinstance(answer, BackendFault):
            raise answer
        return ChatReply(answer, True, "script")

    def close(self) -> None:
        return


def test_references_become_facts() -> None:
    text, why = accepted("It was mild, with [F1] in the tent. The plant drank: [F2].", FACTS)
    assert why == "" and text == (
        "It was mild, with air temperature 24.3 °C in the tent. The plant drank: water used today 1600 ml."
    )


@pytest.mark.parametrize(
    "text",
    [
        "The air is 24.3 degrees warm and all is well.",
        "The air is at ٢٤ degrees and all is well.",
        "The air is at ２４ degrees and all is well.",
        "About ½ of the water is gone by now, it seems.",
        "About Ⅻ leaves are new since the last look.",
        "The plant drank two thousand drops of water.",
        "The plant needs twice as much light tomorrow.",
        "Humidity rose by one percent since the morning.",
        "The plant is fine at [F3] and rests quietly.",
        "See http colon slash slash <script>alert</script> now.",
        "Short.",
        "A sentence that leans on no fact at all.",
        "A sentence with only [F1] to lean on.",
        "A sentence with F. and [F1] and [F2].",
        "No full stop at the end of this long sentence",
    ],
)
def test_foreign_numbers_and_strange_text_are_refused(text: str) -> None:
    filled, why = accepted(text, FACTS)
    assert filled is None and why


def test_what_the_token_limit_cut_off_is_dropped() -> None:
    text, _ = accepted("Calm and green, with [F1] and [F2]. The water wen", FACTS)
    assert text == "Calm and green, with air temperature 24.3 °C and water used today 1600 ml."


_pieces = st.one_of(
    st.sampled_from(["[F1]", "[F2]", ". ", "The plant", "grew", "and rests"]),
    st.text(max_size=6),
    st.integers(-10_000, 10_000).map(str),
    st.floats(allow_nan=False).map(str),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_pieces, max_size=20))
def test_no_number_outside_the_facts_ever_passes(pieces: list[str]) -> None:
    text, _ = accepted(" ".join(pieces), FACTS)
    if text is not None:
        assert foreign_numbers(text, (str(f) for f in FACTS)) == ()


def test_numbers_are_found_in_every_dress() -> None:
    assert numbers_in("24.3 and 1,5, P1, ½, seven, ٣") == ("24.3", "1.5", "1", "0.5", "3", "seven")
    assert foreign_numbers("24.30 is the same", ("24.3",)) == ()
    assert foreign_numbers("24 is not", ("24.3",)) == ("24",)


def test_the_model_gets_a_second_chance_with_another_seed_then_the_template_speaks() -> None:
    settings = AdvisorSettings(seed=7)
    bad, good = "It is 99 degrees in here today.", "Calm and green, with [F1] and [F2]."
    second = Script(bad, good)
    prose = write_prose("summary", FACTS, second, settings)
    assert prose.by_model and prose.text.startswith("Calm and green, with air") and prose.seed == 8
    assert prose.text.endswith("\n\nFacts: air temperature 24.3 °C; water used today 1600 ml.")
    assert [r.seed for r in second.asked] == [7, 8] and prose.refused == ("a number of its own: 99",)
    never = write_prose("summary", FACTS, Script(bad, bad), settings)
    assert not never.by_model and never.text == template_text("summary", FACTS) and len(never.refused) == 2


def test_a_broken_model_is_asked_once() -> None:
    script = Script(BackendFault("dead"), "The plant is calm and green today.")
    prose = write_prose("explanation", FACTS, script, AdvisorSettings())
    assert not prose.by_model and prose.fault == "dead" and len(script.asked) == 1


def test_without_a_model_every_kind_has_its_template() -> None:
    for kind in ("summary", "explanation", "hypothesis", "chronicle"):
        prose = write_prose(kind, FACTS, NoBackend(), AdvisorSettings())
        assert "24.3 °C" in prose.text and "1600 ml" in prose.text and prose.fault is not None


def test_a_template_says_the_most_telling_thing_first_and_leaves_nothing_out() -> None:
    facts = cycle_facts(context())
    for kind, first in (("summary", "Noticed: anomaly soil dry"), ("explanation", "Decided: reason of the plan")):
        text = template_text(kind, facts)
        assert text.startswith(first)
    assert all(str(fact) in template_text("explanation", facts) for fact in facts)
    assert template_text("hypothesis", facts).endswith("please check.")
    assert template_text("summary", ()) == "Nothing was measured."


def test_facts_carry_units_and_leave_out_the_unknown() -> None:
    facts = {f.name: f.value for f in cycle_facts(context())}
    assert facts["air temperature"] == "24.3 °C" and facts["vapour pressure deficit"] == "1.16 kPa"
    assert facts["soil probe P1"] == "15.6 %" and facts["action water"] == "200 ml done because soil.P1 < 18%"
    assert facts["anomaly soil dry of P1"] == "opened, severity medium"
    blind = state().model_copy(update={"env": state().env.model_copy(update={"air_temp_c": None})})
    assert "air temperature" not in {f.name for f in cycle_facts(context(at=blind))}
    day = context().day
    assert day is not None and "mean vapour pressure deficit" not in {f.name for f in day_facts(day)}
    assert numbered(FACTS).splitlines() == ["F1: air temperature 24.3 °C", "F2: water used today 1600 ml"]
