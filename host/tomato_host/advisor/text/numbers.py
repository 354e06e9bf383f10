"""Finds every number in a text, in any notation, and those that occur in no fact."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WRITTEN = re.compile(r"\d+(?:[.,]\d+)*")

NUMBER_WORDS = frozenset(
    re.findall(
        r"[a-z]+",
        """zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands
        million billion dozen dozens half quarter quarters third thirds twice thrice double doubled triple tripled
        halved second fourth fifth sixth seventh eighth ninth tenth couple pair""",
    )
)
"""'one' and 'first' are left out: English uses them mostly without counting. With a unit behind, 'one' counts too."""

_ONE_UNIT = re.compile(
    r"\bone\s+(?:percent|per\s?cent|degrees?|celsius|ml|millilit\w+|lit\w+|ppm|kpa|lux|hours?|minutes?|seconds?|times?|days?)\b"
)


def numbers_in(text: str) -> tuple[str, ...]:
    """All numbers: digits of any script (normalised, 1,5 as 1.5), fractions and Roman numeral signs, number words."""
    plain = "".join(_plain(char) for char in text)
    written = [match.group().replace(",", ".") for match in _WRITTEN.finditer(plain)]
    lowered = plain.lower()
    words = [word for word in re.findall(r"[a-z]+", lowered) if word in NUMBER_WORDS]
    return (*written, *words, *_ONE_UNIT.findall(lowered))


def foreign_numbers(text: str, vouched: Iterable[str]) -> tuple[str, ...]:
    """Numbers of `text` that occur in none of the `vouched` texts, as written there. 24.30 equals 24.3; 24 does not."""
    known = {_canonical(number) for source in vouched for number in numbers_in(source)}
    return tuple(number for number in numbers_in(text) if _canonical(number) not in known)


def _plain(char: str) -> str:
    """Digits of every script as 0..9; signs such as a vulgar fraction as their value, set apart."""
    if char.isascii():
        return char
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    value = unicodedata.numeric(char, None)
    return char if value is None else f" {value:g} "


def _canonical(number: str) -> str:
    if number.count(".") == 1:
        return number.rstrip("0").rstrip(".").lstrip("0") or "0"
    return number.lstrip("0") or "0" if number.isdigit() else number
