"""The trainer: one epoch a night over the residuals of the dataset, the epoch boundary, checkpoints, rollback.

    residual tables (a walk over the log) -> every learning slot trains -> boundary: state packets, policy, command,
    gates -> checkpoint (write-ahead log) -> blocks published for the brain -> state file

Everything before the checkpoint is in memory; a kill at any instant leaves the epoch before, whole.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from shared_schemas.learn.command_pb2 import AdaptationCommand, OptimizerCommand, SlotAction, SlotCommand
from shared_schemas.learn.lifecycle import CULLABLE, LIVE, SlotStage
from shared_schemas.learn.state_pb2 import SlotState, StateMetric
from tomato_host.brain.world_model.arrays import Array
from tomato_host.errors import TomatoError
from tomato_host.learn import gates
from tomato_host.learn.blueprints import catalogue_of_blueprints
from tomato_host.learn.boundary import BoundaryTimer, PolicyAnswer, PolicyCall
from tomato_host.learn.checkpoint import Checkpoint, CheckpointStore
from tomato_host.learn.export_check import ExportFacts, export_facts
from tomato_host.learn.isolation import ViolationWindow
from tomato_host.learn.memory import resident_mb
from tomato_host.learn.messages import MOST_NAME_BYTES, encode_state
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.rollback import RollbackStack
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner
from tomato_host.learn.slot import GrowthSlot, cull, forward, ramp
from tomato_host.learn.slot_learner import SlotLearner, make_learner
from tomato_host.learn.stage_steps import SlotFacts, SlotStep, step
from tomato_host.learn.state_file import LearnState
from tomato_host.logs import Log

LEARNS = frozenset(
    {SlotStage.TRAINING, SlotStage.BLENDING, SlotStage.SHADOWING, SlotStage.PROBATIONARY, SlotStage.FOSSILIZED}
)
MOST_NODES = 6_000
"""Largest block: nodes of trees, or weights of a network."""


class Trainer:
    """Slots, their learners and the epoch. `now_s` is monotonic; nothing here reads a wall clock."""

    def __init__(
        self,
        settings: LearnSettings,
        signer: MessageSigner,
        policy: PolicyCall,
        store: CheckpointStore,
        run_id: int = 0,
        now_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings, self.store = settings, store
        self._signer, self._policy, self._run_id, self._now_s = signer, policy, run_id, now_s
        self.epoch = 0
        self.conservative = False
        self.policy_version = 0
        self.slots: dict[str, GrowthSlot] = {}
        self.learners: dict[str, SlotLearner] = {}
        self.tables: dict[str, ResidualTable] = {}
        self.violations: dict[str, ViolationWindow] = defaultdict(ViolationWindow)
        self.skills: Mapping[str, Mapping[str, float]] = {}
        """What the brain judged, by quantity."""
        self.paused_until = 0
        self.rate_factor, self._warm_until = 1.0, 0
        """What an optimizer command set: the learning rate's factor, and the epoch until which it holds."""
        self.answer: PolicyAnswer | None = None
        """The last answer of the policy, for telemetry."""
        self.queue_depth = 0.0
        self._rollback_to: tuple[bool, int] | None = None
        self.memory = RollbackStack()
        self.timer = BoundaryTimer(now_s)
        self.figures: dict[str, float] = {}
        self._boundaries: deque[float] = deque(maxlen=20)
        self._step_ms: dict[str, float] = {}
        self._exported: dict[str, ExportFacts] = {}
        self._regime: dict[str, tuple[bool, Array]] = {}
        """By slot: whether it corrects forecasts that know the weather, and the typical errors it was trained with."""
        self._ramp_errors: dict[str, tuple[float, ...]] = {}

    def register(self, name: str) -> None:
        """Add an empty slot. Raises ValueError for a name that is taken, too long or without quantity and number."""
        quantity, _, number = name.rpartition(".")
        if name in self.slots or not quantity or not number.isdigit() or len(name.encode()) > MOST_NAME_BYTES:
            raise ValueError(f"{name!r} is no free slot name of the form quantity.number")
        self.slots[name] = GrowthSlot(name)

    def deregister(self, name: str) -> None:
        """Remove a slot with everything it holds. Raises KeyError."""
        del self.slots[name]
        self._scrub(name)

    def run_epoch(self, tables: Mapping[str, ResidualTable]) -> list[SlotStep]:
        """One night: train on residuals by quantity, then the boundary. Returns what every slot did.

        Raises OSError when the checkpoint cannot be written; then memory is as it was before the epoch.
        """
        before = self.checkpoint()
        try:
            self.epoch += 1
            self.tables = dict(tables)
            if self.epoch > self.paused_until:
                self._train()
            steps = self._boundary()
            self._roll_back_if_asked()
            after = self.checkpoint()
            self.store.save(after)
        except OSError:
            self._adopt(before)
            raise
        self.memory.push(after)
        return steps

    def fast_rollback(self, to_epoch: int | None = None) -> float:
        """Go back to an epoch held in memory; returns the milliseconds it took. Raises TomatoError."""
        started = self._now_s()
        self._adopt(self.memory.back(to_epoch))
        return (self._now_s() - started) * 1_000.0

    def full_rollback(self, to_epoch: int | None = None) -> float:
        """Go back to a checkpoint on disk; returns the seconds it took. Raises TomatoError."""
        started = self._now_s()
        self._adopt(self.store.restore(to_epoch))
        return self._now_s() - started

    def resume(self) -> bool:
        """Go on from the newest checkpoint; False when there is none."""
        found = self.store.latest()
        if found is not None:
            self._adopt(found)
        return found is not None

    def state(self) -> LearnState:
        """What commands may show."""
        slots = tuple(self.slots.values())
        return LearnState(self.epoch, self.conservative, self.policy_version, slots, dict(self.figures))

    def checkpoint(self) -> Checkpoint:
        """Copies of everything that learning goes on from."""
        arrays = {f"{name}/{key}": a for name, one in self.learners.items() for key, a in one.state().items()}
        arrays |= {f"ramp/{name}": np.array(errors) for name, errors in self._ramp_errors.items()}
        arrays |= {f"typical/{name}": typical for name, (_, typical) in self._regime.items()}
        arrays |= {f"weather/{name}": np.array(weather) for name, (weather, _) in self._regime.items()}
        return Checkpoint(self.state(), arrays)

    def served(self) -> dict[str, tuple[GrowthSlot, bool, dict[str, Array]]]:
        """Blocks for the brain by quantity: slot, regime, arrays. One a quantity: the slot furthest on its way."""
        out: dict[str, tuple[GrowthSlot, bool, dict[str, Array]]] = {}
        for name, slot in sorted(self.slots.items()):
            if slot.stage in (SlotStage.SHADOWING, *LIVE) and name in self.learners and name in self._regime:
                held, (weather, typical) = out.get(slot.quantity), self._regime[name]
                if held is None or held[0].stage < slot.stage:
                    out[slot.quantity] = (slot, weather, self.learners[name].arrays(typical))
        return out

    def _train(self) -> None:
        for name, slot in self.slots.items():
            table = self.tables.get(slot.quantity)
            frozen = slot.stage is SlotStage.FOSSILIZED and self.settings.fossil_readout == "frozen"
            if slot.stage not in LEARNS or table is None or frozen or self.violations[name].quarantined:
                continue
            if name not in self.learners:
                self.learners[name] = make_learner(
                    self.settings, self._seed(name), slot.blueprint, dict(slot.parameters)
                )
            self.learners[name].rate_factor = self.rate_factor if self.epoch <= self._warm_until else 1.0
            started = time.thread_time()  # the machine's other work is not this block's latency
            loss = self.learners[name].train(table)
            self._step_ms[name] = (time.thread_time() - started) * 1_000.0 / self.learners[name].steps
            self._regime[name] = (table.weather, table.typical)
            self._exported[name] = export_facts(self.learners[name], self.settings.expert, table)
            if slot.stage is SlotStage.BLENDING:
                rise = ramp(slot, self.epoch)
                error = (1.0 - rise) * float(np.abs(table.y).mean()) + rise * loss
                self._ramp_errors[name] = (*self._ramp_errors.get(name, ()), error)

    def _boundary(self) -> list[SlotStep]:
        self.timer.start()
        packets = encode_state(self._signer, self._run_id, self.epoch, self._metrics(), self._slot_states())
        self.timer.phase("assemble")
        answer = self.answer = self._policy.ask(packets)
        self.timer.phase("policy")
        steps = self._apply(answer)
        self.timer.phase("command")
        steps += self._step_slots({one.after.name for one in steps})
        self.timer.phase("guard")
        self._boundaries.append(self.timer.total_ms)
        self.figures = {**self.timer.phases, "boundary_ms": self.timer.total_ms, "slots": float(len(self.slots))}
        return steps

    def _step_slots(self, done: set[str]) -> list[SlotStep]:
        steps = []
        for name, slot in list(self.slots.items()):
            if name in done:
                continue
            learning = sum(other.stage is SlotStage.TRAINING for other in self.slots.values())
            moved = step(
                slot, self._facts(name, slot), self.epoch, learning, self.settings.learning_slots,
                self.settings.embargo_epochs,
            )  # fmt: skip
            self.slots[name] = moved.after
            if moved.after.stage is SlotStage.RESETTING:
                self._scrub(name)
            if moved.after is not moved.before or moved.verdict is not None:
                steps.append(moved)
        return steps

    def _facts(self, name: str, slot: GrowthSlot) -> SlotFacts:
        learner, table = self.learners.get(name), self.tables.get(slot.quantity)
        skill, boundary = self.skills.get(slot.quantity, {}), median(self._boundaries or [0.0])
        window = self.violations[name]
        facts = SlotFacts(
            skill=skill, boundary_ms=boundary, leftovers=int(name in self.learners) + int(name in self._ramp_errors),
            violations=window.count(self._now_s()), quarantined=window.quarantined,
        )  # fmt: skip
        if learner is None or table is None or name not in self._exported:
            return facts
        exported = self._exported[name]
        return replace(
            facts,
            expert=self.settings.expert,
            losses=tuple(learner.losses),
            gradient_norms=tuple(learner.gradient_norms),
            step_ms=self._step_ms.get(name, 0.0),
            ramp_errors=self._ramp_errors.get(name, ()),
            forward_ms=exported.forward_ms,
            outputs_finite=exported.outputs_finite,
            shift_p99=exported.shift_p99,
            same_as_trainer=exported.same_as_trainer,
            pause_resume=exported.pause_resume,
        )

    def _apply(self, answer: PolicyAnswer) -> list[SlotStep]:
        command = answer.command
        kind = command.WhichOneof("command")
        if kind == "slot":
            return self._apply_to_slot(command)
        if kind == "pause":
            self.paused_until = self.epoch + command.pause.epochs
        elif kind == "emergency":
            self.conservative = bool(command.emergency.conservative)
        elif kind == "rollback":
            self._rollback_to = (command.rollback.full, command.rollback.to_epoch)
        elif kind == "optimizer":
            self._apply_to_optimizer(command.optimizer)
        elif kind == "circuit_breaker" and command.circuit_breaker.breaker == "germination":
            self.conservative = bool(command.circuit_breaker.open)
        return []

    def _apply_to_optimizer(self, wanted: OptimizerCommand) -> None:
        """Scale the learning rate of networks for some epochs; a factor outside 0.1 to 2, or NaN, is ignored."""
        if 0.1 <= wanted.learning_rate_factor <= 2.0:
            self.rate_factor = float(wanted.learning_rate_factor)
            self._warm_until = self.epoch + max(int(wanted.warm_up_epochs), 1)

    def _roll_back_if_asked(self) -> None:
        """What a rollback command asked for, before the epoch is committed; one that cannot be done changes nothing."""
        wanted, self._rollback_to = self._rollback_to, None
        if wanted is None:
            return
        full, to_epoch = wanted
        figures = self.figures
        try:
            found = self.store.restore(to_epoch) if full else self.memory.back(to_epoch)
        except TomatoError as error:
            Log("learn").warning("rollback_impossible", code=error.code, to_epoch=to_epoch)
            return
        epoch, conservative = self.epoch, self.conservative
        self._adopt(found)
        # The night has passed: its number goes on, only what was learned goes back.
        self.epoch, self.conservative, self.figures = epoch, conservative, figures

    def _apply_to_slot(self, command: AdaptationCommand) -> list[SlotStep]:
        slot = self.slots.get(command.slot.slot)
        if slot is None:
            return []
        if command.slot.action == SlotAction.SLOT_ACTION_GERMINATE and slot.stage is SlotStage.DORMANT:
            if self.conservative:
                return []
            verdict = self._sanity(command.slot)
            parameters = tuple(sorted(command.slot.parameters.items()))
            moved = SlotStep(slot, forward(slot, self.epoch, verdict, command.slot.blueprint, parameters), verdict)
        elif command.slot.action == SlotAction.SLOT_ACTION_CULL and slot.stage in CULLABLE:
            moved = SlotStep(slot, cull(slot, self.epoch))
        else:
            return []
        self.slots[slot.name] = moved.after
        return [moved]

    def _sanity(self, wanted: SlotCommand) -> gates.GateVerdict:
        """G0. A blueprint that the brain could not evaluate, or that is not approved, counts as unknown."""
        found = catalogue_of_blueprints().get(wanted.blueprint)
        known = found is not None and found.approved and found.kind == self.settings.expert
        ranges = {name: (one.least, one.most) for name, one in found.parameters.items()} if found else {}
        size = found.nodes if found else 0
        return gates.sanity(gates.SanityFacts(True, known, dict(wanted.parameters), ranges, size, MOST_NODES))

    def _metrics(self) -> dict[int, float]:
        losses = [one.losses[-1] for one in self.learners.values() if one.losses]
        norms = [one.gradient_norms[-1] for one in self.learners.values() if one.gradient_norms]
        learning = sum(slot.stage is SlotStage.TRAINING for slot in self.slots.values())
        ratios = [one.get("ratio", 1.0) if one.get("share", 0.0) > 0.0 else 1.0 for one in self.skills.values()]
        found = {
            StateMetric.STATE_METRIC_HELD_OUT_ERROR: float(np.mean(ratios)) if ratios else 1.0,
            StateMetric.STATE_METRIC_GRADIENT_NORM: max(norms, default=0.0),
            StateMetric.STATE_METRIC_QUEUE_DEPTH: self.queue_depth,
            StateMetric.STATE_METRIC_MEMORY_MB: resident_mb(),
            StateMetric.STATE_METRIC_SCHEDULE_FREE: float(max(self.settings.learning_slots - learning, 0)),
            StateMetric.STATE_METRIC_LOSS: float(np.mean(losses)) if losses else 0.0,
            StateMetric.STATE_METRIC_BOUNDARY_MS: self.figures.get("boundary_ms", 0.0),
            StateMetric.STATE_METRIC_POLICY_MS: self.figures.get("policy_ms", 0.0),
            StateMetric.STATE_METRIC_DAYS_LEARNED: float(self.epoch),
        }
        return {int(key): value for key, value in found.items()}

    def _slot_states(self) -> list[SlotState]:
        """All slots that are not at rest; FOSSILIZED and TERMINATED ones do not change."""
        resting = (SlotStage.TERMINATED, SlotStage.FOSSILIZED)
        return [self._slot_state(name, slot) for name, slot in self.slots.items() if slot.stage not in resting]

    def _slot_state(self, name: str, slot: GrowthSlot) -> SlotState:
        learner, skill = self.learners.get(name), self.skills.get(slot.quantity, {})
        return SlotState(
            slot=name,
            stage=f"SLOT_STAGE_{slot.stage.name}",
            blueprint=slot.blueprint,
            share=skill.get("share", 0.0),
            ramp=ramp(slot, self.epoch),
            loss=learner.losses[-1] if learner and learner.losses else 0.0,
            gradient_norm=learner.gradient_norms[-1] if learner and learner.gradient_norms else 0.0,
            held_out_error=skill.get("ratio", 0.0),
            age_epochs=self.epoch - slot.entered,
            violations=self.violations[name].count(self._now_s()),
        )

    def _scrub(self, name: str) -> None:
        for held in (self.learners, self._step_ms, self._exported, self._regime, self._ramp_errors, self.violations):
            held.pop(name, None)

    def _seed(self, name: str) -> int:
        return self.settings.seed + sum((i + 1) * byte for i, byte in enumerate(name.encode()))

    def _adopt(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        self.epoch, self.conservative, self.policy_version = state.epoch, state.conservative, state.policy_version
        self.slots = {slot.name: slot for slot in state.slots}
        self.figures = dict(state.figures)
        self.learners, self._exported = {}, {}
        groups: dict[str, dict[str, Any]] = defaultdict(dict)
        for key, array in checkpoint.arrays.items():
            name, _, rest = key.partition("/")
            groups[name][rest] = array
        weather = groups.pop("weather", {})
        self._regime = {name: (bool(weather[name]), typical) for name, typical in groups.pop("typical", {}).items()}
        self._ramp_errors = {name: tuple(map(float, errors)) for name, errors in groups.pop("ramp", {}).items()}
        self._restore_learners(groups)

    def _restore_learners(self, by_slot: Mapping[str, dict[str, Any]]) -> None:
        for name, arrays in by_slot.items():
            slot = self.slots.get(name, GrowthSlot(name))
            learner = make_learner(self.settings, self._seed(name), slot.blueprint, dict(slot.parameters))
            try:
                learner.restore(arrays)
            except (KeyError, ValueError, RuntimeError) as error:
                raise TomatoError(
                    "E-LEARN-EXPERT",
                    f"The checkpoint of {name} is of another expert than `[learn] expert` asks for ({error}).",
                    "set [learn] expert as it was, or delete the folder learn of the data directory and begin anew",
                ) from None
            self.learners[name] = learner
