"""Tell a text that this program composed from one that somebody wrote: every word of it must be one of our own.

A search for secrets finds the kinds it knows; a telephone number, a password in a sentence or the name of a street has
no form of its own. So it is done the other way round: the words are those that stand in the string constants of the
packages that compose records (read from their source, docstrings left out), numbers must look like measurements, and a
text with anything else in it is foreign as a whole. A foreign text is withheld, not repaired.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

COMPOSING = (
    "shared_schemas.records",
    "shared_schemas.devices",
    "tomato_host.brain",
    "tomato_host.loop",
    "tomato_host.board",
    "tomato_host.recovery",
    "tomato_host.storage.layout",
    "tomato_host.storage.budgeted_store",
    "tomato_host.storage.dataset",
    "tomato_host.sources.board",
    "tomato_host.twin.board_runtime",
)
"""Packages and modules whose string constants become texts of records."""

NEVER = frozenset(
    """
    password passwd pwd passphrase pass token secret key pin code login user username credential credentials bearer
    authorization auth ssid wifi wlan network street road avenue lane square phone telephone mobile call fax tel mail
    email address lat latitude lon lng longitude gps position coordinates north south east west name names called
    lives home host hostname url http https www ftp rtsp dev tty usb serial com net org
    """.split()  # noqa: SIM905 - one word a line would be fifty lines
)
"""Words that announce a secret, a person or a place; a text with one of them is foreign whatever else it says."""

_UNITS = frozenset(
    "c k degc kpa pa ppm ml l s ms min h d lx lux mb kb mol umol mps wm2 m2 m3 g pct x".split()  # noqa: SIM905
)
_PROBE = re.compile(r"[A-Z]\d{1,2}")
_OWN_ID = re.compile(r"\b[ap]-\d{8}T\d{6}(-[a-z0-9]{1,8}){0,2}\b")
_STAMP = re.compile(r"\b\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?")
_VERSION = re.compile(r"(?<![\w.])\d{1,2}\.\d{1,2}\.\d{1,2}(?![\w.])")
_OPENED_AT = re.compile(r"\.\d{9,11}$")
"""The second in which an anomaly opened, at the end of its id."""
_NAME = re.compile(r"[A-Za-z0-9_.:+\-]{1,64}")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(:\d{2})?\b")
_FOREIGN_SIGN = re.compile(r"[^\w\s.,;:!?()<>=+\-/%'\"°\[\]]|::|//|\.\./|(^|[\s:(])/\w|°(?!C)")
_MEASURED = re.compile(
    r"[<>=]*\s*-?\d{1,6}(\.\d{1,4})?\s?(%|°C|degC|kPa|ppm|ml|l|lx|lux|mol|umol|W/m2|m/s|K|ms|s|min|h|MB|days?)(?![\w])"
)
_BARE = re.compile(r"(?<![\w.])-?(\d{1,3}|\d\.\d{1,3})(?![\w]|\.\d)")


def is_own_text(text: str) -> bool:
    """True when every word of `text` is our own and every number looks like a measurement, a count or a time."""
    if _FOREIGN_SIGN.search(text):
        return False
    rest = _OWN_ID.sub(" ; ", text)
    rest = _CLOCK.sub(" ; ", _STAMP.sub(" ; ", rest))
    rest = _VERSION.sub(" ; ", _MEASURED.sub(" ; ", rest))
    known = own_words()
    for word in _words(rest):
        if word.lower() in NEVER or not (word.lower() in known or _PROBE.fullmatch(word)):
            return False
    return _numbers_are_counts(rest)


def is_own_name(name: str) -> bool:
    """True for an identifier, a time or a word of a fixed list that this program made; a probe may be `P1`."""
    return bool(_NAME.fullmatch(name)) and is_own_text(_OPENED_AT.sub("", name))


def _words(text: str) -> Iterator[str]:
    """Words, and words with digits in them as they stand."""
    for part in re.findall(r"\w+", text):
        for piece in part.split("_"):
            if any(c.isalpha() for c in piece):
                yield piece


def _numbers_are_counts(text: str) -> bool:
    """Small bare numbers, never two beside each other (a telephone number, a position), no long one."""
    plain = re.sub(r"\b\w*[^\W\d_]\w*\b", "w", text)
    found = list(_BARE.finditer(plain))
    if len(re.findall(r"\d+(?:\.\d+)?", plain)) != len(found):
        return False
    return all("w" in plain[one.end() : two.start()] for one, two in pairwise(found))


@lru_cache(maxsize=1)
def own_words() -> frozenset[str]:
    """Lower-case words of the string constants of `COMPOSING`, without those of `NEVER`."""
    words: set[str] = set(_UNITS)
    for path in _sources():
        words.update(word.lower() for text in _constants(path) for word in _words(text))
    return frozenset(words - NEVER)


def _sources() -> Iterator[Path]:
    for name in COMPOSING:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None, name
        path = Path(spec.origin)
        found = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        yield from (source for source in found if source.name != "settings.py")  # defaults name a place


def _constants(path: Path) -> Iterator[str]:
    """String constants that are no docstrings; of f-strings the constant parts."""
    tree = ast.parse(path.read_bytes())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value
