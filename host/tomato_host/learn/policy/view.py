"""What a policy sees of one epoch: verified packets as one view, its features, and the actions that are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from shared_schemas.learn.lifecycle import CULLABLE, SlotStage
from shared_schemas.learn.state_pb2 import SlotState, StateMetric, SystemStatePacket
from tomato_host.learn.signing import MessageVerifier

FEATURE_VERSION = "f1"
"""Names the order of `FEATURES`; a policy of another one is refused."""

FEATURES = (
    "loss", "held_out_change", "gradient_norm", "boundary_of_budget", "policy_of_budget", "queue_of_conservative",
    "memory_gb", "days_of_season", "schedule_free", "dormant", "training", "shadow", "probation", "accepted", "closed",
    "best_change", "worst_change", "with_share", "oldest_of_month", "violations",
)  # fmt: skip
_CLIP = 5.0
_GROWING = frozenset({SlotStage.GERMINATED, SlotStage.TRAINING, SlotStage.BLENDING})
_CLOSED = frozenset({SlotStage.CULLED, SlotStage.EMBARGOED, SlotStage.RESETTING})


class PolicyAction(IntEnum):
    """The action table; its order is part of FEATURE_VERSION."""

    NOTHING = 0
    GERMINATE_SMALL = 1
    GERMINATE_MEDIUM = 2
    GERMINATE_LARGE = 3
    CULL_WORST = 4
    PAUSE = 5


GERMINATES = (PolicyAction.GERMINATE_SMALL, PolicyAction.GERMINATE_MEDIUM, PolicyAction.GERMINATE_LARGE)


@dataclass(frozen=True)
class EpochView:
    """The packets of one epoch as one."""

    run_id: int
    epoch: int
    nonce: int
    metrics: dict[int, float] = field(default_factory=dict)
    slots: tuple[SlotState, ...] = ()

    def metric(self, key: int, default: float = 0.0) -> float:
        """A metric by StateMetric."""
        return self.metrics.get(key, default)

    def stage(self, slot: SlotState) -> SlotStage | None:
        """The stage of a slot; None for a number that this program does not know."""
        return SlotStage(slot.stage) if slot.stage in SlotStage._value2member_map_ else None

    def count(self, stages: frozenset[SlotStage]) -> int:
        """Slots in these stages."""
        return sum(self.stage(slot) in stages for slot in self.slots)

    @property
    def dormant(self) -> tuple[SlotState, ...]:
        """Empty slots."""
        return tuple(slot for slot in self.slots if self.stage(slot) is SlotStage.DORMANT)

    @property
    def worst(self) -> SlotState | None:
        """The slot that may be culled and has the highest error with its block over the error without."""
        found = [slot for slot in self.slots if self.stage(slot) in CULLABLE]
        return max(found, key=lambda slot: (slot.held_out_error, slot.violations, slot.age_epochs), default=None)


def view_of(packets: Sequence[bytes], verifier: MessageVerifier) -> EpochView:
    """Verify and join. Raises MessageRefused, or ValueError when the packets are of different epochs."""
    parsed = [verifier.parse(raw, SystemStatePacket) for raw in packets]
    if not parsed or len({(one.run_id, one.epoch) for one in parsed}) != 1:
        raise ValueError("packets of different epochs, or none")
    metrics = {int(key): float(value) for one in parsed for key, value in one.metrics.items() if np.isfinite(value)}
    slots = tuple(slot for one in parsed for slot in one.slots)
    return EpochView(parsed[0].run_id, parsed[0].epoch, parsed[0].nonce, metrics, slots)


def packet_of(view: EpochView) -> SystemStatePacket:
    """A view as one packet, to be stored; `view_of_packet` gives it back."""
    packet = SystemStatePacket(run_id=view.run_id, epoch=view.epoch, nonce=view.nonce, metrics=view.metrics)
    packet.slots.extend(view.slots)
    return packet


def view_of_packet(packet: SystemStatePacket) -> EpochView:
    """The view that `packet_of` stored."""
    return EpochView(packet.run_id, packet.epoch, packet.nonce, dict(packet.metrics), tuple(packet.slots))


def features_of(view: EpochView) -> tuple[float, ...]:
    """FEATURES of a view, each of the order of one and within +-5; what is not known is 0."""
    judged = [slot.held_out_error - 1.0 for slot in view.slots if slot.held_out_error > 0.0]
    total = max(len(view.slots), 1)
    found = (
        view.metric(StateMetric.STATE_METRIC_LOSS),
        10.0 * (view.metric(StateMetric.STATE_METRIC_HELD_OUT_ERROR, 1.0) - 1.0),
        view.metric(StateMetric.STATE_METRIC_GRADIENT_NORM),
        view.metric(StateMetric.STATE_METRIC_BOUNDARY_MS) / 18.0,
        view.metric(StateMetric.STATE_METRIC_POLICY_MS) / 45.0,
        view.metric(StateMetric.STATE_METRIC_QUEUE_DEPTH) / 4_000.0,
        view.metric(StateMetric.STATE_METRIC_MEMORY_MB) / 1_000.0,
        view.metric(StateMetric.STATE_METRIC_DAYS_LEARNED) / 150.0,
        view.metric(StateMetric.STATE_METRIC_SCHEDULE_FREE),
        view.count(frozenset({SlotStage.DORMANT})) / total,
        view.count(_GROWING) / total,
        view.count(frozenset({SlotStage.SHADOWING})) / total,
        view.count(frozenset({SlotStage.PROBATIONARY})) / total,
        view.count(frozenset({SlotStage.FOSSILIZED})) / total,
        view.count(_CLOSED) / total,
        10.0 * min(judged, default=0.0),
        10.0 * max(judged, default=0.0),
        sum(slot.share > 0.0 for slot in view.slots) / total,
        max((slot.age_epochs for slot in view.slots), default=0) / 30.0,
        float(sum(slot.violations for slot in view.slots)),
    )
    return tuple(float(np.clip(value, -_CLIP, _CLIP)) if np.isfinite(value) else 0.0 for value in found)


def allowed_actions(view: EpochView) -> tuple[int, ...]:
    """The mask: indices of the actions that would do something now; NOTHING always."""
    allowed = [PolicyAction.NOTHING]
    if view.dormant and view.metric(StateMetric.STATE_METRIC_SCHEDULE_FREE, 1.0) > 0.0:
        allowed += GERMINATES
    if view.worst is not None:
        allowed.append(PolicyAction.CULL_WORST)
    if view.count(_GROWING):
        allowed.append(PolicyAction.PAUSE)
    return tuple(int(action) for action in allowed)


GAIN, GROWING_COST, CULL_COST, PAUSE_COST = 10.0, 0.02, 0.2, 0.05


def reward_of(before: EpochView, after: EpochView, action: int) -> float:
    """What one epoch was worth: error saved by blocks with a share, less what growing, culling and pausing cost."""
    saved = GAIN * (1.0 - after.metric(StateMetric.STATE_METRIC_HELD_OUT_ERROR, 1.0))
    culled = max(after.count(_CLOSED) - before.count(_CLOSED), 0)
    paused = PAUSE_COST if action == PolicyAction.PAUSE else 0.0
    found = saved - GROWING_COST * after.count(_GROWING) - CULL_COST * culled - paused
    return float(np.clip(found, -_CLIP, _CLIP)) if np.isfinite(found) else 0.0
