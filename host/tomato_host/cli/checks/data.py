"""Checks of the data: settings, data directory with free space, intact dataset."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.errors import TomatoError
from tomato_host.settings import Settings, load_settings
from tomato_host.storage.settings import StorageSettings

MIN_FREE_MB = 500
"""A season of records and photos' first weeks; with less the disk may fill unnoticed."""
MIN_DAYS = 30
"""A disk that is full sooner needs attention now."""
QUICK_MB = 60
"""A dataset up to this size is read from the first line to the last, in a few seconds."""


def nearest_existing(path: Path) -> Path:
    """The path itself or the first parent that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def check_config(config: Path | None) -> Diagnosis:
    """The settings file, when there is one."""
    try:
        load_settings(config)
    except TomatoError as error:
        return Diagnosis("Configuration", "problem", error.message, error.next_step)
    return Diagnosis("Configuration", "ok", str(config) if config else "defaults")


def settings_or_defaults(config: Path | None) -> Settings:
    """The settings as far as they can be read; errors in them are reported by another check."""
    try:
        return load_settings(config)
    except TomatoError:
        return Settings()


def check_data_dir(data_dir: Path) -> Diagnosis:
    """The data directory: writable, with free space."""
    place = nearest_existing(data_dir.absolute())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Diagnosis("Data directory", "problem", f"{place} cannot be written", "choose another with --data-dir")
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < MIN_FREE_MB:
        return Diagnosis("Data directory", "problem", f"only {free_mb} MB free at {place}", "free space")
    if os.name != "nt" and (data_dir / "metadata.json").is_file() and data_dir.stat().st_mode & 0o077:
        return Diagnosis("Data directory", "note", f"{data_dir}: others may read it", f"chmod -R go= {data_dir}")
    return Diagnosis("Data directory", "ok", f"{data_dir} ({free_mb:,} MB free)")


def check_disk_budget(settings: StorageSettings, data_dir: Path) -> Diagnosis:
    """How fast the records grow, against the budget and the free space."""
    from tomato_host.storage.retention import dataset_growth

    seen = dataset_growth(data_dir)
    budget = f"budget {settings.mb_per_day:g} MB a day, {settings.mb_total:,g} MB in all"
    if seen is None or seen.bytes_per_day is None:
        return Diagnosis("Disk budget", "ok", f"{budget}; no day of records yet to judge by")
    per_day_mb, stored_mb = seen.bytes_per_day / 1e6, seen.stored_bytes / 1e6
    text = f"{stored_mb:,.0f} MB of records, {per_day_mb:.1f} MB a day; {budget}"
    days = shutil.disk_usage(nearest_existing(data_dir.absolute())).free / seen.bytes_per_day
    if days < MIN_DAYS and stored_mb + days * per_day_mb < settings.mb_total:
        return Diagnosis(
            "Disk budget",
            "problem",
            f"{text}; the disk is full in {days:.0f} days",
            "free space, or lower [storage] mb_total",
        )
    if per_day_mb > settings.mb_per_day:
        return Diagnosis("Disk budget", "note", f"{text}; readings are thinned", "raise [storage] mb_per_day")
    return Diagnosis("Disk budget", "ok", text)


def check_integrity(data_dir: Path) -> Diagnosis:
    """Every record intact, in order, unchanged; only checked while no host writes."""
    from tomato_host.storage.appender import is_held
    from tomato_host.storage.reader import is_dataset
    from tomato_host.storage.verify import verify

    name = "Dataset"
    if not is_dataset(data_dir):
        return Diagnosis(name, "ok", "none yet")
    if is_held(data_dir / "private"):
        return Diagnosis(name, "ok", "a host is writing to it", "to check it, verify a backup: docs/runbook.md")
    size_mb = sum(path.stat().st_size for path in (data_dir / "private").glob("*.jsonl")) / 1e6
    if size_mb > QUICK_MB:
        return Diagnosis(
            name,
            "note",
            f"{size_mb:,.0f} MB are too many to check them all now",
            f"tomato-host dataset verify {data_dir}",
        )
    found = verify(data_dir, contract=False)
    if not found.ok:
        return Diagnosis(name, "problem", found.problems[0].text, "restore a backup; docs/dataset.md says what holds")
    torn = f"; {len(found.torn_files)} damaged file ends were set aside" if found.torn_files else ""
    return Diagnosis(name, "ok", f"{found.records:,} records, all intact and in order{torn}")


def newest_record(data_dir: Path) -> datetime | None:
    """When the last event was recorded; None without a dataset."""
    from tomato_host.recovery.stored_samples import tail

    last = None
    for record in tail(data_dir, "event_v1"):
        last = record.get("ts", last)
    return datetime.fromisoformat(last) if last else None
