"""Read one TOML file into a mapping of plain values; whatever is wrong with it becomes one line that names the place.

Python's own reader ends in a traceback for an integer of thousands of digits (ValueError) and for arrays nested
thousands deep (RecursionError). Both, and values that JSON cannot hold, are refused here by key and by what is allowed.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from tomato_host.errors import TomatoError

LARGEST_BYTES = 1_000_000
"""A settings file has a few kilobytes; this also ends the reading of /dev/zero."""
DEEPEST = 8
"""Tables and arrays inside each other; the deepest key that exists is 3 deep."""
LARGEST_INTEGER = 2**63
"""TOML promises 64 bits."""
LONGEST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
NEXT_STEP = "correct that line; `docs/configuration.md` lists every key with its range"

_DIGITS = re.compile(r"\d[\d_]{18,}")
_TABLE = re.compile(r"^\s*\[+\s*([^\[\]]+?)\s*\]+")


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a mapping of tables, text, numbers and flags.

    Raises TomatoError: E-CONFIG-MISSING, E-CONFIG-UNREADABLE, E-CONFIG-SYNTAX, E-CONFIG-INVALID; each is one line.
    """
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The text of `path` as a mapping. Raises TomatoError: E-CONFIG-SYNTAX, E-CONFIG-INVALID."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = shown(str(error), quoted=False, longest=200)
        raise TomatoError("E-CONFIG-SYNTAX", f"{path} is not valid TOML: {reason}.", "correct that line") from None
    except ValueError:
        key, value = _longest_number(text)
        raise _invalid(path, f"{key} = {shown(value, quoted=False)}: an integer has at most 64 bits") from None
    except RecursionError:
        what = f"{_deepest_line(text)}: tables and arrays are nested at most {DEEPEST} deep"
        raise _invalid(path, what) from None
    return raw


def check_values(raw: dict[str, Any], where: str) -> None:
    """Raises TomatoError E-CONFIG-INVALID for a value or a key that no settings may hold, whatever its key is."""
    for key, value in walk(raw):
        if problem := _problem(value):
            raise _invalid(where, f"{key} = {shown(value)}: {problem}")


def walk(raw: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key (with dots) and value of every leaf, and every table or array that is nested too deep."""
    waiting: list[tuple[str, Any, int]] = [("", raw, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, dict | list) and depth <= DEEPEST:
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            inner = [(f"{name}.{plain_key(str(key))}".lstrip("."), part, depth + 1) for key, part in parts]
            waiting += reversed(inner)
        else:
            yield name, value


def plain_key(key: str) -> str:
    """A key on one line: as it is when it is a plain one, else quoted with its odd characters escaped."""
    return key if re.fullmatch(r"[A-Za-z0-9_\-]{1,60}", key) else shown(key)


def shown(value: Any, quoted: bool = True, longest: int = LONGEST_SHOWN) -> str:
    """A value in one short line: no control characters, no password or query of an address, a long one cut."""
    if isinstance(value, dict | list | tuple):
        return "a table" if isinstance(value, dict) else "an array"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
        return f"an integer of {value.bit_length()} bits"  # repr() refuses one of thousands of digits
    if isinstance(value, date | time):
        return value.isoformat()
    text = re.sub(r"//[^/\s]*@", "//***@", value if isinstance(value, str) else repr(value))
    text = re.sub(r"(://[^\s?]*\?)\S+", r"\1***", text)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    if len(text) > longest:
        text = f"{text[:longest]}... ({len(text)} characters)"
    return f"'{text}'" if quoted and isinstance(value, str) else text


def read_text(path: Path) -> str:
    """The text of a settings file. Raises TomatoError: E-CONFIG-MISSING, E-CONFIG-UNREADABLE."""
    try:
        return bounded_text(path)
    except FileNotFoundError:
        raise TomatoError("E-CONFIG-MISSING", f"{path} does not exist.", "check --config, or leave it out") from None
    except (OSError, ValueError) as error:
        reason = shown(str(error), quoted=False, longest=200)
        raise TomatoError(
            "E-CONFIG-UNREADABLE", f"{path} cannot be read: {reason}.", "check that it is a text file you may read"
        ) from None


def bounded_text(path: Path) -> str:
    """The text of a small file that a person wrote; never reads /dev/zero for ever. Raises OSError, ValueError."""
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise OSError(f"it is larger than {LARGEST_BYTES} bytes")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def _problem(value: Any) -> str:
    """What no key of any file may be; empty when the value is a plain one."""
    if isinstance(value, dict | list):
        return f"tables and arrays are nested at most {DEEPEST} deep"
    if isinstance(value, datetime | date | time):
        return "no key holds a date or a time; write text in quotes, or a number"
    if isinstance(value, str) and not value.isprintable():
        return "it holds a control character; only visible characters and blanks are allowed"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number must be finite"
    if isinstance(value, int) and not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        return "an integer has at most 64 bits"
    return ""


def _longest_number(text: str) -> tuple[str, str]:
    """Key and digits of the longest number: the only one that tomllib cannot convert."""
    table, found, best = "", "a key", ""
    for line in text.splitlines():
        if (header := _TABLE.match(line)) and "=" not in line:
            table = header[1]
        for number in _DIGITS.findall(line):
            if len(number) > len(best):
                key = shown(line.split("=", 1)[0].strip(), quoted=False)
                found, best = f"{table}.{key}".lstrip("."), number
    return found, best


def _deepest_line(text: str) -> str:
    """The line in which most brackets are open."""
    depth = deepest = where = 0
    for number, line in enumerate(text.splitlines(), start=1):
        for character in line:
            depth += (character in "[{") - (character in "]}")
            if depth > deepest:
                deepest, where = depth, number
    return f"line {where}, {deepest} brackets deep"


def _invalid(path: Path | str, what: str) -> TomatoError:
    return TomatoError("E-CONFIG-INVALID", f"{path}: {what}.", NEXT_STEP)
