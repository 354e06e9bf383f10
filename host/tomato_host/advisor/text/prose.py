"""From facts to prose: asks the model, checks what comes back, and uses the template when in doubt."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tomato_host.advisor.backends.chat import Backend, BackendFault, ChatReply, ChatRequest
from tomato_host.advisor.prompt_files import PromptFile, grammar, prompt
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.text.facts import Fact, numbered
from tomato_host.advisor.text.numbers import foreign_numbers, numbers_in

ATTEMPTS = 2
CHARS_MIN, CHARS_MAX = 20, 2_000
REFERENCES_MIN = 2
"""A text that refers to fewer facts than this is refused as unfounded."""

_REFERENCE = re.compile(r"\[F([1-9][0-9]?)\]")
_ALLOWED = re.compile(r"[A-Za-z ,;:'().-]+")
_STRAY_F = re.compile(r"\bF\b")


@dataclass(frozen=True, slots=True)
class ProseResult:
    """A text fit to be shown. `refused` says why the model's own texts were not, `fault` why there was none."""

    text: str
    by_model: bool
    refused: tuple[str, ...]
    fault: str | None
    reply: ChatReply | None
    prompt: PromptFile
    seed: int


def write_prose(kind: str, facts: tuple[Fact, ...], backend: Backend, settings: AdvisorSettings) -> ProseResult:
    """At most two attempts of the model, then the template. Never raises for anything a model does."""
    page = prompt(kind)
    refused: list[str] = []
    broken: str | None = None
    for attempt in range(ATTEMPTS):
        seed = settings.seed + attempt
        try:
            reply = backend.chat(_request(page, facts, settings, seed))
        except BackendFault as fault:
            broken = str(fault)[:160]
            break  # a model that is absent or broken is not asked twice in one cycle
        text, why_not = accepted(reply.text, facts)
        if text is not None:
            return ProseResult(with_facts(text, facts), True, tuple(refused), None, reply, page, seed)
        refused.append(why_not)
    return ProseResult(template_text(kind, facts), False, tuple(refused), broken, None, page, settings.seed)


def accepted(raw: str, facts: tuple[Fact, ...]) -> tuple[str | None, str]:
    """The text with every reference replaced, or None and why not.

    The model's own words may hold no number at all; numbers enter only with the facts that replace references.
    """
    text = _whole_sentences(raw[: CHARS_MAX + 1].strip())
    words = _REFERENCE.sub("", text)
    if not CHARS_MIN <= len(text) <= CHARS_MAX:
        return None, f"{len(text)} characters of whole sentences"
    found = numbers_in(words)
    if found:
        return None, f"a number of its own: {found[0]}"
    if not _ALLOWED.fullmatch(words) or _STRAY_F.search(words):
        return None, "characters that prose does not need"
    if len(_REFERENCE.findall(text)) < REFERENCES_MIN:
        return None, f"fewer than {REFERENCES_MIN} references to facts"
    unknown = [n for n in _REFERENCE.findall(text) if int(n) > len(facts)]
    if unknown:
        return None, f"reference to F{unknown[0]}, which does not exist"
    filled = _REFERENCE.sub(lambda match: str(facts[int(match.group(1)) - 1]), text)
    foreign = foreign_numbers(filled, (str(fact) for fact in facts))
    if foreign:
        return None, f"a number outside the facts: {foreign[0]}"
    return " ".join(filled.split()), ""


def _request(page: PromptFile, facts: tuple[Fact, ...], settings: AdvisorSettings, seed: int) -> ChatRequest:
    return ChatRequest(
        instructions=page.instructions,
        question=page.ask(numbered(facts)),
        grammar=grammar(page.grammar_name).text,
        max_tokens=settings.text_max_tokens,
        seed=seed,
        temperature=settings.temperature,
        deadline_s=settings.wake_deadline_s,
    )


def _whole_sentences(text: str) -> str:
    """Drop what the token limit cut off behind the last full stop."""
    return text[: text.rfind(".") + 1]


SENTENCES = {
    "air": "Air and leaf",
    "soil": "Soil",
    "water": "Water",
    "noticed": "Noticed",
    "actions": "Done or requested",
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
"""Which sentences a text has, the most important first."""

CLOSING = {"hypothesis": " The cause is not known; please check."}

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
