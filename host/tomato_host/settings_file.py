"""Change the settings file as a person would: only the keys that change, comments and order kept, whole or not at all.

What is written has passed the same loader that `tomato-host run` uses; the file as it was before stays beside it.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.settings import MOVED, MOVED_TABLES, Settings, load_settings, parse_settings
from tomato_host.toml_file import NEXT_STEP, parse_toml, read_text

FILE = "tomato.toml"
"""The settings file of a data directory: used where `--config` names none."""
HEAD = "# Settings of this tent; docs/configuration.md lists every key. What is not here has its default.\n"
BACKUP = ".bak"
"""Appended to the file's name for what it was before the last change."""
Changes = Mapping[str, Any]
"""Key with dots to its new value; None removes the key, so that its default holds. A list of mappings is an array of
tables."""


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """A valid new text of a settings file, not yet written."""

    path: Path
    before: str
    """Empty when there is no file yet."""
    after: str
    settings: Settings

    @property
    def diff(self) -> str:
        """What changes, as `diff -u` shows it; empty when nothing does."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*lines, f"{self.path.name} now", f"{self.path.name} then", n=2))


def default_file(data_dir: Path) -> Path | None:
    """The settings file of a data directory, None when it has none."""
    path = data_dir / FILE
    return path if path.is_file() else None


def text_of(path: Path) -> str:
    """The file's text, empty when it does not exist. Raises TomatoError E-CONFIG-UNREADABLE."""
    return read_text(path) if path.exists() else ""


def hash_of_text(text: str) -> str:
    """Names a version of the file, so that a change made meanwhile by somebody else is not lost."""
    return hashlib.sha256(text.encode()).hexdigest()


def plan_change(path: Path, changes: Changes, sha256: str | None = None) -> SettingsChange:
    """The file with these changes, validated; nothing is written. `sha256`: the version that the changes are about.

    Raises TomatoError: E-CONFIG-CHANGED when the file is another one by now, and what `load_settings` raises.
    """
    before = text_of(path)
    if sha256 is not None and hash_of_text(before) != sha256:
        raise TomatoError(
            "E-CONFIG-CHANGED", f"{path} was changed by somebody else meanwhile.", "load it again and repeat the change"
        )
    after = _edited(before or HEAD, changes, path)
    return SettingsChange(path, before, after, parse_settings(parse_toml(after, path), str(path)))


def write_change(change: SettingsChange) -> Path | None:
    """Write it, and what was there before beside it; returns the backup's path, None when there was no file.

    Raises TomatoError E-CONFIG-UNWRITABLE; the file is then as it was.
    """
    path, backup = change.path, None
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else None
        if change.before:
            backup = path.with_name(path.name + BACKUP)
            replace_file(backup, change.before.encode(), mode=mode)
        replace_file(path, change.after.encode(), mode=mode, parents=True)
    except OSError as error:
        raise TomatoError(
            "E-CONFIG-UNWRITABLE",
            f"{path} cannot be written: {error.strerror or error}.",
            "free space on its disk, run the host as a user that may write it, or keep it in the data directory",
        ) from None
    return backup


def restore_backup(path: Path) -> bool:
    """Put the file back as it was before the last change; a file that was new then is removed. False on failure."""
    backup = path.with_name(path.name + BACKUP)
    try:
        if backup.is_file():
            replace_file(path, backup.read_bytes(), mode=backup.stat().st_mode & 0o777)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def named_keys(message: str, changes: Changes) -> list[str]:
    """The changed keys that an error of the loader is about, so that a form can show it beside the field."""

    def is_named(key: str) -> bool:
        table, _, last = key.rpartition(".")
        return key in message or f"({last} " in message or bool(re.search(rf"\[{table}\] {last}\b", message))

    return [key for key in changes if is_named(key)]


def is_writable(path: Path) -> bool:
    """Whether this process could replace the file: it writes a new one beside it."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _edited(text: str, changes: Changes, path: Path) -> str:
    try:
        document = tomlkit.parse(text)
        for key, value in changes.items():
            _forget_old_names(document, key)
            _set(document, key.split("."), value)
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, ValueError, RecursionError) as error:
        load_settings(path if path.exists() else None)  # a file that is wrong already says so in the loader's words
        raise TomatoError("E-CONFIG-SYNTAX", f"{path} cannot be changed: {error}.", NEXT_STEP) from None


def _forget_old_names(document: Container, key: str) -> None:
    """The key's name of an earlier version: both together would contradict each other."""
    for old, new in MOVED:
        if ".".join(new) == key and old[0] in document:
            document[old[0]].pop(old[1], None)
    for old_table, new_table in MOVED_TABLES:
        if key.startswith(f"{new_table}.") and old_table in document:
            document[old_table].pop(key.partition(".")[2], None)


def _set(document: Container, parts: list[str], value: Any) -> None:
    *tables, last = parts
    inside: Any = document
    for depth, name in enumerate(tables, start=1):
        if name not in inside:
            if value is None:
                return
            inside[name] = tomlkit.table(is_super_table=depth < len(tables))
        inside = inside[name]
    if value is None:
        inside.pop(last, None)
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        inside[last] = _array_of_tables(value)
    else:
        inside[last] = value


def _array_of_tables(rows: list[dict[str, Any]]) -> AoT:
    made: list[Table] = []
    for row in rows:
        table = tomlkit.table()
        for key, value in row.items():
            table[key] = value
        made.append(table)
    return AoT(made)
