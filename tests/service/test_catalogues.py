"""No text that a translator cannot reach: each catalogue has every text of the pages, no other, with its {names}."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from shared_schemas.devices import OUTPUTS, SENSORS
from shared_schemas.wire import CONFIG_KEYS
from tests.service.page_texts import VERDICTS, WEB, of_events, of_host, of_pages, of_planner, of_rules

CATALOGUES = sorted((WEB / "messages").glob("*.json"))


def names(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_is_whole_and_has_nothing_stale(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    catalogue, patterns = found["texts"], found["patterns"]
    wanted = of_pages() | of_host()
    assert sorted(wanted - set(catalogue)) == [], "texts without a translation"
    assert sorted(set(catalogue) - wanted) == [], "translations of nothing"
    both = [*catalogue.items(), *patterns.items()]
    assert [key for key, text in both if names(key) != names(text)] == [], "a {name} is missing"
    assert set(patterns) >= VERDICTS, "the first line of the page"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_the_reasons_of_the_rules_are_translated(path: Path) -> None:
    """Each by a pattern; the one for "output: reason" comes last, or it would be the pattern of many others."""
    patterns = list(json.loads(path.read_text(encoding="utf-8"))["patterns"])
    assert patterns[-1] == "{output}: {reason}"
    shapes = [re.compile(re.sub(r"\\{\w+\\}", ".+?", re.escape(one))) for one in patterns[:-1]]
    reasons = {part for text in of_rules() for part in text.split("; ")}
    assert len(reasons) > 25, "the rules were read"
    assert sorted(part for part in reasons if not any(shape.fullmatch(part) for shape in shapes)) == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_what_the_planner_says_is_translated_to_its_last_word(path: Path) -> None:
    """Sentence, part and what stands in it, as `hostText` of text.js goes through them."""
    catalogue = json.loads(path.read_text(encoding="utf-8"))
    texts = of_planner()
    assert len(texts) > 40, "the planner was read"
    assert {text: left for text in texts if (left := untranslated(text, catalogue))} == {}
    told = "J 1.2, stress 0.3 per hour, decided by dew on fruit, heat delay: exhaust fan 23 % of the time; moving air"
    assert untranslated(told, catalogue) == [] and untranslated("a word of none", catalogue) == ["a word of none"]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_the_events_of_the_journal_are_translated_to_their_last_word(path: Path) -> None:
    """Those of the board, of the mode, of the advisor without a model, and of the host."""
    catalogue = json.loads(path.read_text(encoding="utf-8"))
    texts = of_events()
    assert len(texts) > 400, "the events were read"
    assert {text: left for text in texts if (left := untranslated(text, catalogue))} == {}


UNITS = re.compile(r"\b(VPD|NORMAL|CAUTION|degC|kPa|ppm)\b")
KEYS = {row.name for row in CONFIG_KEYS}
"""Settings of the board, which every language calls by their keys."""
LABELS = {row.name: row.label for row in OUTPUTS} | {row.name: row.label for row in SENSORS}


@cache
def shape_of(key: str) -> re.Pattern[str]:
    """The expression that `text.js` makes of a pattern's key."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(key)))


def untranslated(text: str, catalogue: dict[str, dict[str, str]]) -> list[str]:
    """The parts of a host's text that stay as they are."""
    plain = text.replace("_", " ")
    words = plain.lower() if re.fullmatch("[A-Z0-9 ]+", plain) else plain
    if {text, LABELS.get(text), words} & {*catalogue["texts"], *catalogue["patterns"], *KEYS}:
        return []
    for parts in (re.split(r"(?<=\.)\s+(?=[A-Z])", text), text.split("; ")):
        if len(parts) > 1:
            return [left for part in parts for left in untranslated(part, catalogue)]
    for key in catalogue["patterns"]:
        if (found := shape_of(key).fullmatch(text)) is not None:
            values = [
                v for k, each in found.groupdict().items() for v in (each.split(", ") if k == "terms" else [each])
            ]
            return [left for value in values for left in untranslated(value, catalogue)]
    if text.endswith("."):
        return untranslated(text[:-1], catalogue)
    return [text] if re.search("[A-Za-z]{3}", UNITS.sub("", text)) else []


def test_the_pages_speak_through_the_catalogue() -> None:
    """Words between tags of a page without `data-t` cannot be translated; proper names and units are no words."""
    page = (WEB / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<body") :]
    loose = {text.strip() for text in re.findall(r"<(?![^>]*\sdata-t[\s>])[^>]*>([^<]*[A-Za-z]{3}[^<]*)<", body)}
    assert loose == {"Tomato", "VPD", "tomato-host token create NAME --role operate"}


def test_there_are_languages_beside_english() -> None:
    assert [path.stem for path in CATALOGUES] == ["de"]
    assert 'de: "Deutsch"' in (WEB / "text.js").read_text(encoding="utf-8")
