"""The data: settings, a place with room, and a dataset that is whole."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from tomato_host.cli.checks.finding import Finding
from tomato_host.errors import TomatoError
from tomato_host.settings import Settings, load_settings
from tomato_host.storage.settings import StorageSettings

MIN_FREE_MB = 500
"""A season of records and photos' first weeks; below this the disk fills before anybody looks."""
MIN_DAYS = 30
"""A disk that is full sooner wants a hand now."""
QUICK_MB = 60
"""A dataset up to this size is read from the first line to the last, in a few seconds."""


def nearest_existing(path: Path) -> Path:
    """The path itself or the first parent that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def check_config(config: Path | None) -> Finding:
    """The settings file, when there is one."""
    try:
        load_settings(config)
    except TomatoError as error:
        return Finding("Configuration", "problem", error.message, error.next_step)
    return Finding("Configuration", "ok", str(config) if config else "defaults")


def settings_or_defaults(config: Path | None) -> Settings:
    """The settings as far as they can be read; what is wrong with them is another check's finding."""
    try:
        return load_settings(config)
    except TomatoError:
        return Settings()


def check_data_dir(data_dir: Path) -> Finding:
    """The dataset's place: writable, with room."""
    place = nearest_existing(data_dir.absolute())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("Data directory", "problem", f"{place} cannot be written", "choose another with --data-dir")
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < MIN_FREE_MB:
        return Finding("Data directory", "problem", f"only {free_mb} MB free at {place}", "make room")
    return Finding("Data directory", "ok", f"{data_dir} ({free_mb:,} MB free)")


def check_disk_budget(settings: StorageSettings, data_dir: Path) -> Finding:
    """How fast the records grow, against the budget and the free space."""
    from tomato_host.storage.outlook import outlook

    seen = outlook(data_dir)
    budget = f"budget {settings.mb_per_day:g} MB a day, {settings.mb_total:,g} MB in all"
    if seen is None or seen.bytes_per_day is None:
        return Finding("Disk budget", "ok", f"{budget}; no day of records yet to judge by")
    per_day_mb, stored_mb = seen.bytes_per_day / 1e6, seen.stored_bytes / 1e6
    text = f"{stored_mb:,.0f} MB of records, {per_day_mb:.1f} MB a day; {budget}"
    days = shutil.disk_usage(nearest_existing(data_dir.absolute())).free / seen.bytes_per_day
    if days < MIN_DAYS and stored_mb + days * per_day_mb < settings.mb_total:
        return Finding(
            "Disk budget",
            "problem",
            f"{text}; the disk is full in {days:.0f} days",
            "make room, or lower [storage] mb_total",
        )
    if per_day_mb > settings.mb_per_day:
        return Finding("Disk budget", "note", f"{text}; readings are thinned", "raise [storage] mb_per_day")
    return Finding("Disk budget", "ok", text)


def check_integrity(data_dir: Path) -> Finding:
    """Every record whole, in its place, unchanged; only looked at while nobody writes."""
    from tomato_host.storage.lock import is_held
    from tomato_host.storage.reader import is_dataset
    from tomato_host.storage.verify import verify

    name = "Dataset"
    if not is_dataset(data_dir):
        return Finding(name, "ok", "none yet")
    if is_held(data_dir / "private"):
        return Finding(name, "ok", "a host is writing to it", "to check it, verify a backup: docs/runbook.md")
    size_mb = sum(path.stat().st_size for path in (data_dir / "private").glob("*.jsonl")) / 1e6
    if size_mb > QUICK_MB:
        return Finding(
            name,
            "note",
            f"{size_mb:,.0f} MB are too many to read them all now",
            f"tomato-host dataset verify {data_dir}",
        )
    found = verify(data_dir, contract=False)
    if not found.ok:
        return Finding(name, "problem", found.problems[0].text, "restore a backup; docs/dataset.md says what holds")
    torn = f"; {len(found.torn_files)} torn tails were kept aside" if found.torn_files else ""
    return Finding(name, "ok", f"{found.records:,} records, all whole and in their place{torn}")


def newest_record(data_dir: Path) -> datetime | None:
    """When the last event was recorded; None without a dataset."""
    from tomato_host.recovery.stored_samples import tail

    last = None
    for record in tail(data_dir, "event_v1"):
        last = record.get("ts", last)
    return datetime.fromisoformat(last) if last else None
