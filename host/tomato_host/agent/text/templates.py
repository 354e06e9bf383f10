"""The text when no model runs, or when its text was refused: dull, complete, true."""

from __future__ import annotations

from tomato_host.agent.text.facts import Fact

OPENINGS = {
    "summary": "State of the cycle",
    "explanation": "Grounds of the decision",
    "hypothesis": "Noticed, cause unknown; worth a look",
    "chronicle": "The day",
}

TEXT_CHARS_MAX = 3_900


def with_facts(prose: str, facts: tuple[Fact, ...]) -> str:
    """A model's prose, and below it the plain facts, so that every reader can check the one against the other."""
    return f"{prose}\n\nFacts: {'; '.join(str(fact) for fact in facts)}."[:TEXT_CHARS_MAX]


def template_text(kind: str, facts: tuple[Fact, ...]) -> str:
    """Every fact in order, in one sentence."""
    listed = "; ".join(str(fact) for fact in facts) if facts else "nothing was measured"
    return f"{OPENINGS[kind]}: {listed}."[:TEXT_CHARS_MAX]
