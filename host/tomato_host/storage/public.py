"""The public dataset: whitelisted records, every action with its state snapshot and its reasons, failures included."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from tomato_host.atomic_file import make_directory, private_opener, replace_file
from tomato_host.storage.chain import Head, genesis, next_line
from tomato_host.storage.layout import HEADS, file_name, period, split_name, stream_of
from tomato_host.storage.public_fields import (
    BY_CHOICE,
    LEDGER_EVENTS,
    OWN_ORIGINS,
    PRIVATE_EVENTS,
    PUBLIC,
    Publisher,
    tree_of,
)
from tomato_host.storage.public_images import export_images
from tomato_host.storage.published_heads import heads_text
from tomato_host.storage.reader import Report, read_all, require_dataset

PUBLIC_CAMERAS = frozenset({"camera_main"})
"""Cameras that look at the plant and at nothing else."""

_STATES_REMEMBERED = 512
BASELINES = frozenset({"rules", "fixed_timer"})


@dataclass(slots=True)
class PublicExport:
    """What was published."""

    records: Counter[str] = field(default_factory=Counter)
    withheld_records: int = 0
    actions_without_state: int = 0
    actions_without_reason: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    baseline_plans: int = 0
    images: int = 0
    images_kept_back: int = 0
    images_note: str = ""
    """Why no photo at all could be published; empty otherwise."""
    free_text: bool = False
    """Texts of persons, models and other programs were asked for."""
    texts_withheld: int = 0
    names_replaced: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain numbers for a report."""
        return {
            "records": dict(sorted(self.records.items())),
            "withheld_records": self.withheld_records,
            "actions_without_state": self.actions_without_state,
            "actions_without_reason": self.actions_without_reason,
            "failures": dict(sorted(self.failures.items())),
            "baseline_plans": self.baseline_plans,
            "images": self.images,
            "images_kept_back": self.images_kept_back,
            "images_note": self.images_note,
            "free_text": self.free_text,
            "texts_withheld": self.texts_withheld,
            "names_replaced": self.names_replaced,
        }


class _Exporter:
    """Walks once over the private records in their order; memory does not grow with the dataset."""

    def __init__(self, withhold: Sequence[str], cameras: frozenset[str], free_text: bool, journal: bool) -> None:
        self._withheld_kinds = frozenset() if journal else BY_CHOICE
        self.result = PublicExport(free_text=free_text)
        self._publisher = Publisher(withhold, free_text, cameras)
        self._cameras = cameras
        self.public_heads: dict[str, Head] = {}
        self.private_heads: dict[str, Head] = {}
        self._n = 0
        self._states: dict[str, dict[str, Any]] = {}
        self._last_state: dict[str, Any] | None = None
        self._reasons: dict[str, str] = {}

    def lines(self, root: Path, report: Report | None) -> Iterator[tuple[str, bytes]]:
        """File name and line of everything that is public."""
        for stored in read_all(root, report=report):
            record = json.loads(stored.link.payload)
            self.private_heads[_stream_of_file(stored.path)] = Head(stored.link.n, stored.link.seq, stored.link.hash)
            version = record.get("schema_version")
            self._count_failure(version, record)
            if not self._is_public(version, record):
                self.result.withheld_records += 1
                continue
            self._hide_private_cameras(version, record)
            shown = self._publisher.publish(record, tree_of(record))
            if version == "action_v1":
                shown |= self._references(record)
            yield self._line(version, record["ts"], shown)
            if version == "plan_v1":
                self._remember_plan(shown)
        self.result.texts_withheld = self._publisher.texts_withheld
        self.result.names_replaced = self._publisher.names_replaced

    def _line(self, version: str, ts: str, shown: dict[str, Any]) -> tuple[str, bytes]:
        stream = stream_of(version)
        self._n += 1
        head = self.public_heads.get(stream) or genesis(f"public/{stream}")
        payload = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
        line, head = next_line(head, self._n, payload)
        self.public_heads[stream] = head
        self.result.records[stream] += 1
        if version == "state_v1":
            self._remember_state(ts, head)
        return file_name(stream, period(datetime.fromisoformat(ts), "month"), public=True), line

    def _is_public(self, version: str, record: dict[str, Any]) -> bool:
        if version not in PUBLIC or version in self._withheld_kinds:
            return False
        if version == "event_v1":
            return record["kind"] not in PRIVATE_EVENTS and not record["name"].startswith(LEDGER_EVENTS)
        return version != "vision_v1" or record.get("source") in self._cameras

    def _hide_private_cameras(self, version: str, record: dict[str, Any]) -> None:
        if version == "state_v1":
            vision = record["plant"].get("vision")
            if vision is not None and vision["source"] not in self._cameras:
                record["plant"]["vision"] = None

    def _references(self, record: dict[str, Any]) -> dict[str, Any]:
        """The state snapshot an action was decided on (by its time, else the last one before), and why."""
        why = record.get("why", {})
        state = self._states.get(_moment(why["state_ts"])) if why.get("state_ts") else None
        exact = state is not None
        state = state or self._last_state
        if state is None:
            self.result.actions_without_state += 1
        reasoning = self._reasoning(record)
        if not reasoning:
            self.result.actions_without_reason += 1
        return {"state_ref": None if state is None else {**state, "exact": exact}, "reasoning": reasoning or None}

    def _reasoning(self, record: dict[str, Any]) -> str:
        """Why it was asked for: the program's own reason, or who asked. A person's words go out only by choice."""
        why, origin = record.get("why", {}), record.get("origin", "controller")
        text = why.get("text") or "; ".join(why.get("rules_fired", ())) or why.get("objective_hint") or ""
        if origin in OWN_ORIGINS:
            decision = self._publisher.name(record["decision_id"]) if record.get("decision_id") else ""
            return self._publisher.text(text) or self._reasons.get(decision, "")
        if text and self.result.free_text:
            return self._publisher.free(text)
        return f"requested by {origin}"

    def _remember_state(self, ts: str, head: Head) -> None:
        self._last_state = {"ts": ts, "seq": head.seq, "hash": head.hash}
        self._states[_moment(ts)] = self._last_state
        if len(self._states) > _STATES_REMEMBERED:
            del self._states[next(iter(self._states))]

    def _remember_plan(self, shown: dict[str, Any]) -> None:
        self._reasons[shown["id"]] = shown.get("explanation") or "; ".join(shown.get("rules_fired", ()))
        if len(self._reasons) > _STATES_REMEMBERED:
            del self._reasons[next(iter(self._reasons))]
        self.result.baseline_plans += shown["controller"] in BASELINES

    def _count_failure(self, version: str | None, record: dict[str, Any]) -> None:
        if version == "event_v1" and record["level"] != "INFO":
            self.result.failures[record["name"]] += 1
        elif version == "anomaly_v1" and record.get("phase") != "CLEARED":
            self.result.failures[record["type"]] += 1
        elif version == "action_v1" and not record["safety"]["validated"]:
            self.result.failures["action_refused"] += 1


def export_public(
    root: Path,
    *,
    withhold: Sequence[str] = (),
    cameras: frozenset[str] = PUBLIC_CAMERAS,
    free_text: bool = False,
    journal: bool = False,
    report: Report | None = None,
) -> PublicExport:
    """Write `public/` anew from `private/`: the same dataset gives the same bytes.

    `withhold`: phrases (an address, a name) that keep every text with them private. `free_text`: publish what persons,
    models and other programs wrote, too, searched for secrets. The public lines have their own chain.
    `report` gets the share of the records that was read.
    Raises TomatoError E-STORAGE-NO-DATASET, E-STORAGE-DAMAGED.
    """
    require_dataset(root)
    folder = root / "public"
    make_directory(folder)  # a backup keeps files, not empty directories
    exporter = _Exporter(withhold, cameras, free_text, journal)
    written = _write_parts(folder, exporter.lines(root, report))
    for path in folder.glob("*.jsonl"):
        if path.name not in written:
            path.unlink()
    for name, part in written.items():
        part.replace(folder / name)
    result = exporter.result
    images = export_images(root / "private" / "images", folder / "images", cameras)
    result.images, result.images_kept_back, result.images_note = images
    replace_file(folder / "report.json", json.dumps(result.as_json(), indent=1).encode() + b"\n")
    (folder / f"{HEADS}.sig").unlink(missing_ok=True)  # it was made for the last export
    replace_file(folder / HEADS, heads_text(exporter.public_heads, exporter.private_heads, folder))
    return result


def _write_parts(folder: Path, lines: Iterator[tuple[str, bytes]]) -> dict[str, Path]:
    """Fill one `.part` beside each file to come, so that a broken export leaves the last good one."""
    files: dict[str, BinaryIO] = {}
    try:
        for name, line in lines:
            if name not in files:
                files[name] = open(folder / f"{name}.part", "wb", opener=private_opener)  # noqa: SIM115 - closed below
            files[name].write(line)
    finally:
        for file in files.values():
            file.close()
    return {name: folder / f"{name}.part" for name in files}


def _stream_of_file(path: Path) -> str:
    name = split_name(path.name)
    assert name is not None, "only data files are read"
    return name[0]


def _moment(ts: str) -> str:
    """One text for one moment, whatever offset it was written with."""
    return f"{datetime.fromisoformat(ts).timestamp():.6f}"
