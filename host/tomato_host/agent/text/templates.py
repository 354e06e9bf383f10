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


def template_text(kind: str, facts: tuple[Fact, ...]) -> str:
    """Every fact in order, in one sentence."""
    listed = "; ".join(str(fact) for fact in facts) if facts else "nothing was measured"
    return f"{OPENINGS[kind]}: {listed}."[:TEXT_CHARS_MAX]
