"""Model versions on disk: one folder each, loaded in two steps (verify, activate), every change logged.

models/
  active.json              which version is active, and which was before
  changes.jsonl            what was promoted, refused, rolled back, when and why
  <version>/model.npz      everything learned
  <version>/manifest.json  shape, range of the data, hashes, scores
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tomato_host.atomic_file import make_directory, private_opener, replace_file
from tomato_host.brain.world_model.data import HourlyLog, ModelShape, Quantity
from tomato_host.brain.world_model.hourly_history import hour_start
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.model_arrays import restore, to_arrays
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.errors import TomatoError

FORMAT = 2
KEEP = 14
"""Versions kept; the active one and the one before it are never removed."""


@dataclass(frozen=True)
class ModelManifest:
    """What a version is and where it comes from."""

    version: str
    format: int
    created_ts: str
    data_from_ts: str
    data_to_ts: str
    days_learned: int
    coefficients_hash: str
    file_sha256: str
    quantities: list[dict[str, Any]]
    plan: list[str]
    outside: bool
    horizons: list[int]
    note: str = ""


class ModelStore:
    """The folder of versions."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, model: WorldModel, log: HourlyLog, now: datetime, note: str = "") -> str:
        """Write a version; it is not active yet. Returns its name."""
        version, stem = model.version, model.version
        n = 1
        while (self.root / version).exists():
            n += 1
            version = f"{stem}-{n}"
        buffer = BytesIO()
        np.savez_compressed(buffer, **to_arrays(model))  # type: ignore[arg-type]  # numpy types **kwds as bool
        body = buffer.getvalue()
        shape = model.shape
        manifest = ModelManifest(
            version,
            FORMAT,
            now.isoformat(),
            hour_start(log.start_hour).isoformat(),
            hour_start(log.start_hour + log.hours).isoformat(),
            model.days_learned,
            model.fingerprint(),
            hashlib.sha256(body).hexdigest(),
            [asdict(q) for q in shape.quantities],
            list(shape.plan),
            shape.outside,
            list(shape.horizons),
            note,
        )
        folder = self.root / version
        make_directory(folder, exist_ok=False)
        replace_file(folder / "model.npz", body, parents=True)
        replace_file(folder / "manifest.json", json.dumps(asdict(manifest), indent=1).encode(), parents=True)
        self._remove_old()
        return version

    def verify(self, version: str, settings: WorldModelSettings | None = None) -> WorldModel:
        """Step one: read a version completely and check that it is what was saved. Changes nothing.

        Raises TomatoError E-MODEL-UNKNOWN, E-MODEL-DAMAGED.
        """
        manifest = self.manifest(version)
        try:
            body = (self.root / version / "model.npz").read_bytes()
        except OSError as error:
            raise _damaged(version, f"cannot be read ({error.strerror})") from None
        if hashlib.sha256(body).hexdigest() != manifest.file_sha256:
            raise _damaged(version, "has another hash than its manifest states")
        quantities = tuple(Quantity(q["name"], q["kind"], tuple(q["companions"])) for q in manifest.quantities)
        shape = ModelShape(quantities, tuple(manifest.plan), manifest.outside, tuple(manifest.horizons))
        model = WorldModel(shape, settings)
        try:
            with np.load(BytesIO(body), allow_pickle=False) as stored:
                restore(model, {name: stored[name] for name in stored.files})
        except (ValueError, KeyError, OSError) as error:
            raise _damaged(version, str(error)) from None
        if model.fingerprint() != manifest.coefficients_hash:
            raise _damaged(version, "gives other coefficients than it was saved with")
        return model

    def activate(self, version: str, now: datetime, why: str, settings: WorldModelSettings | None = None) -> WorldModel:
        """Step two: make a version active, after verifying it."""
        model = self.verify(version, settings)
        before = self.active()
        if before != version:
            replace_file(
                self.root / "active.json", json.dumps({"version": version, "before": before}).encode(), parents=True
            )
            self.log_change(now, "promoted", version, why)
        return model

    def rollback(self, now: datetime, why: str, settings: WorldModelSettings | None = None) -> str:
        """Make the version before the active one active again. Raises TomatoError E-MODEL-NO-BEFORE."""
        before = self._pointer().get("before")
        if not before:
            raise TomatoError(
                "E-MODEL-NO-BEFORE", "There is no version before the active one.", "See `tomato-host model list`."
            )
        self.verify(before, settings)
        replaced = self.active()
        replace_file(self.root / "active.json", json.dumps({"version": before, "before": None}).encode(), parents=True)
        self.log_change(now, "rolled_back", before, f"{why} (instead of {replaced})")
        return str(before)

    def has_before(self) -> bool:
        """Whether there is a version to roll back to."""
        return bool(self._pointer().get("before"))

    def active(self) -> str | None:
        """The active version, or None."""
        return self._pointer().get("version")

    def load_active(self, settings: WorldModelSettings | None = None) -> tuple[str, WorldModel] | None:
        """The active version, verified; the one before it when that is damaged; None when there is none."""
        pointer = self._pointer()
        for version in (pointer.get("version"), pointer.get("before")):
            if version:
                try:
                    return str(version), self.verify(version, settings)
                except TomatoError:
                    continue
        return None

    def versions(self) -> list[ModelManifest]:
        """All versions, oldest first; folders without a readable manifest are left out."""
        found = []
        for folder in sorted(self.root.glob("*/manifest.json")):
            try:
                found.append(self.manifest(folder.parent.name))
            except TomatoError:
                continue
        return sorted(found, key=lambda m: m.created_ts)

    def manifest(self, version: str) -> ModelManifest:
        """The manifest of one version. Raises TomatoError E-MODEL-UNKNOWN, E-MODEL-DAMAGED."""
        path = self.root / version / "manifest.json"
        if os.sep in version or not path.exists():
            raise TomatoError(
                "E-MODEL-UNKNOWN", f"There is no model version {version}.", "See `tomato-host model list`."
            )
        try:
            manifest = ModelManifest(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(version, f"has no readable manifest ({error})") from None
        if manifest.format != FORMAT:
            raise _damaged(version, f"has format {manifest.format}, this program reads {FORMAT}")
        return manifest

    def log_change(self, now: datetime, what: str, version: str, why: str) -> None:
        """Append a change, or a refusal, to changes.jsonl."""
        line = json.dumps({"ts": now.isoformat(), "what": what, "version": version, "why": why})
        make_directory(self.root)
        with open(self.root / "changes.jsonl", "a", encoding="utf-8", opener=private_opener) as file:
            file.write(line + "\n")

    def changes(self) -> list[dict[str, str]]:
        """All logged changes, oldest first; a torn last line is left out."""
        try:
            lines = (self.root / "changes.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def _pointer(self) -> dict[str, Any]:
        try:
            read = json.loads((self.root / "active.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def _remove_old(self) -> None:
        pointer = self._pointer()
        needed = {pointer.get("version"), pointer.get("before")}
        old = [m.version for m in self.versions() if m.version not in needed]
        for version in old[: max(len(old) - KEEP, 0)]:
            for name in ("model.npz", "manifest.json"):
                (self.root / version / name).unlink(missing_ok=True)
            (self.root / version).rmdir()


def _damaged(version: str, what: str) -> TomatoError:
    return TomatoError(
        "E-MODEL-DAMAGED",
        f"Model version {version} {what}.",
        "Roll back with `tomato-host model rollback`, or delete that folder.",
    )
