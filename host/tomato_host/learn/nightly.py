"""One night of the learning loop on a data directory: residuals, epoch, checkpoint, blocks for the brain, state."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared_schemas.learn.lifecycle import Gate
from shared_schemas.learn.report_pb2 import FieldReport
from shared_schemas.records import GrowthEventV1, GrowthReportV1, Record
from tomato_host.atomic_file import make_directory
from tomato_host.backtest.tables import BacktestCase, load_cases
from tomato_host.brain.world_model.data import HORIZON_H, ModelShape
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.errors import TomatoError
from tomato_host.learn.boundary import PolicyCall
from tomato_host.learn.checkpoint import CheckpointStore
from tomato_host.learn.compile.runner import compile_in_background
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.loop_links import LoopLinks
from tomato_host.learn.night_telemetry import emit_night, emit_reload
from tomato_host.learn.policy.files import PolicyFiles
from tomato_host.learn.policy.selection import BlueprintSelection
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.report_store import ReportStore
from tomato_host.learn.residuals import ResidualTable, ResidualWindow, walk
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.stage_steps import SlotStep
from tomato_host.learn.state_file import FOLDER, read_state, write_state
from tomato_host.learn.trainer import Trainer
from tomato_host.models.blocks import BlockEntry, BlockStore
from tomato_host.storage.appender import WriterLock

RECORDS_FILE = "records.jsonl"
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class NightResult:
    """What one night did."""

    epoch: int
    steps: list[SlotStep]
    boundary_ms: float
    train_s: float
    published: list[str]
    """Quantities whose block the brain computes from now on."""


class LearningLoop:
    """The trainer with its files. `now` is the wall clock, `nonce` gives 64 random bits; both are injected."""

    def __init__(
        self,
        data_dir: Path,
        settings: LearnSettings,
        keys: SigningKeys,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        nonce: Callable[[], int] = lambda: secrets.randbits(64),
        time_zone: str = "UTC",
    ) -> None:
        self.data_dir, self.settings, self._now, self._zone = data_dir, settings, now, time_zone
        self.blocks = BlockStore(data_dir / "models" / "blocks")
        self.signer = MessageSigner(keys, self._now_ms, nonce)
        self.reports = ReportStore(data_dir / FOLDER / "reports" / "wal.bin")
        run_id = nonce()
        catalogue = PolicyFiles(data_dir)
        selection = BlueprintSelection(settings.policy, settings.expert, catalogue.metadata)
        verifier = MessageVerifier(keys, self._now_ms)
        self.policy = PolicyService(self.signer, verifier, settings.policy, selection, self._keep_report)
        self._files = catalogue
        catalogue.load_windows(self.policy)
        self.links = LoopLinks.open(settings.bus, self.policy, self.reports, self.signer, keys, self._now_ms, run_id)
        self.telemetry = self.links.telemetry
        call = PolicyCall(self.links.policy, MessageVerifier(keys, self._now_ms))
        store = CheckpointStore(data_dir / FOLDER / "checkpoints")
        self.trainer = Trainer(settings, self.signer, call, store, run_id=run_id)
        self.resume()

    def resume(self) -> None:
        """Go on from the newest checkpoint."""
        self.trainer.resume()
        self._register()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other process changes the loop meanwhile, and what another one has changed is taken over first.

        A kill between a checkpoint and its publication is made good here. Raises TomatoError E-STORAGE-BUSY when
        another process holds the loop for longer than 30 s, OSError.
        """
        folder = self.data_dir / FOLDER
        make_directory(folder)
        lock = _wait_for_lock(folder)
        try:
            if self.trainer.store.changed_elsewhere():
                self.resume()
            if not self._is_published():
                self.publish()
                self._record([self._report(0.0, "published again after an interruption")])
            yield
        finally:
            lock.release()

    def night(self, case: BacktestCase | None = None) -> NightResult:
        """Learn one night from the dataset (or a given case). Raises TomatoError for an unusable dataset, OSError."""
        started = time.perf_counter()
        tables = residual_tables(case or self._dataset(), self._quantities(), self.settings.window_days)
        with self.exclusive():
            return self._night(tables, started)

    def _night(self, tables: dict[str, ResidualTable], started: float) -> NightResult:
        self.trainer.skills = self.blocks.read_skill()
        self.trainer.queue_depth = self.links.depth()
        self.policy.conservative = self.trainer.conservative
        self.reload_policy()
        steps = self.trainer.run_epoch(tables)
        train_s = time.perf_counter() - started
        published = self.publish()
        self._files.store_windows(self.policy)
        self._files.record_worth(steps, self.trainer.skills)
        emit_night(self.telemetry, self.trainer, self.policy, steps)
        self.links.send_reports()
        self.reports.retain(self._now_ms())
        boundary = self.trainer.figures["boundary_ms"]
        self._record([*self._events(steps), self._report(train_s)])
        return NightResult(self.trainer.epoch, steps, boundary, train_s, published)

    def reload_policy(self) -> str:
        """Decide with the promoted policy, if there is a newer one; returns what became of it (empty: none)."""
        self.links.receive_policies(self._files.root)
        found = self._files.reload(self.policy, self.settings.policy)
        if found:
            self.trainer.policy_version = self.policy.version
            emit_reload(self.telemetry, found, self.policy.version)
        return found

    def compile_missing(self) -> None:
        """Compile every template that is missing, in the background and in child processes."""
        compile_in_background(self.data_dir / FOLDER / "catalogue", self.telemetry)

    def close(self) -> None:
        """Close the connections; what is still watched stays on the disk."""
        self.links.close()

    def publish(self) -> list[str]:
        """Give the brain the blocks of this moment, and commands the state. Raises OSError."""
        served = self.trainer.served()
        kind, epoch = self.settings.expert, self.trainer.epoch
        rows = {
            name: (BlockEntry(name, "", "", kind, weather, slot.stage.name, slot.blueprint, epoch), arrays)
            for name, (slot, weather, arrays) in served.items()
        }
        if rows or self.blocks.signature() is not None:
            self.blocks.publish(rows)
        write_state(self.data_dir, self.trainer.state())
        return sorted(rows)

    def commit(self) -> None:
        """Make the state of this moment, changed by hand, the newest checkpoint, and publish it; within `exclusive`.

        Raises OSError.
        """
        self.trainer.store.save(self.trainer.checkpoint())
        self.publish()

    def _keep_report(self, report: FieldReport) -> None:
        self.signer.stamp(report)
        self.reports.append(report.report_id, self.signer.encode(report), self._now_ms())

    def _register(self) -> None:
        for quantity in self._quantities():
            if f"{quantity}.0" not in self.trainer.slots:
                self.trainer.register(f"{quantity}.0")

    def _quantities(self) -> list[str]:
        return [name.strip() for name in self.settings.quantities.split(",") if name.strip()]

    def _dataset(self) -> BacktestCase:
        (case,) = load_cases(str(self.data_dir), time_zone=self._zone)
        return case

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1_000)

    def _events(self, steps: list[SlotStep]) -> Iterable[GrowthEventV1]:
        for one in steps:
            moved, verdict = one.after is not one.before, one.verdict
            failed = verdict.failed if verdict else ()
            text = f"{one.before.stage.name} -> {one.after.stage.name}" if moved else f"stays in {one.after.stage.name}"
            yield GrowthEventV1(
                schema_version="growth_event_v1",
                ts=self._now(),
                slot=one.after.name,
                kind="gate_failed" if failed else "stage_entered",
                stage=one.after.stage.name,  # type: ignore[arg-type]  # the names agree, tested
                stage_before=one.before.stage.name,  # type: ignore[arg-type]
                gate=Gate(verdict.gate).name if verdict else None,  # type: ignore[arg-type]  # the names agree, tested
                failed=failed,
                blueprint=f"BP{one.after.blueprint:03d}" if one.after.blueprint else None,
                policy_version=self.trainer.policy_version,
                reason="gate_failed" if failed else "stage_complete",
                text=f"{text}: {', '.join(failed)}" if failed else text,
                figures=dict(verdict.figures) if verdict else {},
            )

    def _is_published(self) -> bool:
        """Whether commands and the brain were given the newest checkpoint's state."""
        if not self.trainer.store.epochs():
            return True
        try:
            found = read_state(self.data_dir)
        except TomatoError:
            return False
        return found is not None and (found.epoch, found.slots) == (self.trainer.epoch, self.trainer.state().slots)

    def _report(self, train_s: float, text: str = "") -> GrowthReportV1:
        return GrowthReportV1(
            schema_version="growth_report_v1",
            ts=self._now(),
            epoch=self.trainer.epoch,
            policy="ppo" if self.policy.version else "heuristic",
            policy_version=self.trainer.policy_version,
            conservative=self.trainer.conservative,
            days_learned=self.trainer.epoch,
            boundary_ms=self.trainer.figures.get("boundary_ms", 0.0),
            train_s=train_s,
            text=text or f"{len(self.trainer.slots)} slots",
        )

    def _record(self, records: Iterable[Record]) -> None:
        path = self.data_dir / FOLDER / RECORDS_FILE
        with path.open("ab") as file:
            # A kill may have torn the last line; what follows must not be torn with it.
            torn = file.tell() > 0 and path.read_bytes()[-1:] != b"\n"
            lines = "".join(record.to_json() + "\n" for record in records)
            file.write(("\n" if torn else "").encode() + lines.encode())


def _wait_for_lock(folder: Path) -> WriterLock:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return WriterLock(folder)
        except TomatoError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def residual_tables(case: BacktestCase, quantities: list[str], days: int) -> dict[str, ResidualTable]:
    """Residuals by quantity of the whole walk over a case; a quantity with too few rows is left out.

    Raises TomatoError E-LEARN-DATA when the case holds none of the quantities.
    """
    known = {quantity.name for quantity in case.quantities}
    wanted = [name for name in quantities if name in known]
    if not wanted:
        raise TomatoError(
            "E-LEARN-DATA",
            f"{case.name} holds none of {', '.join(quantities)}.",
            "let the brain run for some weeks, or name other quantities in [learn] quantities",
        )
    model = WorldModel(ModelShape(case.quantities, case.plan, case.has_weather, tuple(range(1, HORIZON_H + 1))))
    windows = {name: ResidualWindow(name, model.horizons, days) for name in wanted}
    for day in walk(case.log, model):
        if day.end > case.log.hours - (days + 3) * 24:
            for window in windows.values():
                window.add(day)
        model.learn(day.known, day.ahead, day.hours)
    found = {name: window.table(case.log, case.log.hours) for name, window in windows.items()}
    return {name: table for name, table in found.items() if table is not None}


def read_records(data_dir: Path) -> list[dict[str, object]]:
    """The growth records of a data directory, oldest first; a torn last line is left out."""
    try:
        lines = (data_dir / FOLDER / RECORDS_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
