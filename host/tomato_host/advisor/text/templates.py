"""The text when no model runs, or when its text was refused: dull, complete, true."""

from __future__ import annotations

from tomato_host.advisor.text.facts import Fact

SENTENCES = {
    "air": "Air and leaf",
    "soil": "Soil",
    "water": "Water",
    "noticed": "Noticed",
    "actions": "Done or asked for",
    "plan": "Decided",
    "season": "Known of the season",
    "day": "The day",
    "more": "Also",
}

ORDER: dict[str, tuple[str, ...]] = {
    "summary": ("noticed", "air", "soil", "water", "actions", "season", "more"),
    "explanation": ("plan", "actions", "noticed", "soil", "air", "water", "more"),
    "hypothesis": ("noticed", "air", "soil", "actions", "water", "more"),
    "chronicle": ("day", "more"),
}
"""Which sentences a text has, the most telling first."""

CLOSING = {"hypothesis": " The cause is not known; this is worth a look."}

TEXT_CHARS_MAX = 3_900


def with_facts(prose: str, facts: tuple[Fact, ...]) -> str:
    """A model's prose, and below it the plain facts, so that every reader can check the one against the other."""
    return f"{prose}\n\nFacts: {'; '.join(str(fact) for fact in facts)}."[:TEXT_CHARS_MAX]


def template_text(kind: str, facts: tuple[Fact, ...]) -> str:
    """One sentence a group of facts."""
    sentences = []
    for group in ORDER[kind]:
        listed = "; ".join(str(fact) for fact in facts if fact.group == group)
        if listed:
            sentences.append(f"{SENTENCES[group]}: {listed}.")
    text = " ".join(sentences) or "Nothing was measured."
    return (text + CLOSING.get(kind, ""))[:TEXT_CHARS_MAX]
