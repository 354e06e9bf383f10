"""The replay: field reports on the disk, bounded by number and age, drawn by priority; decisions as graphs.

Prioritised replay: Schaul et al. 2016, alpha .6, beta .4. A heterogeneous graph is made of a report's features when it
is asked for (`graph_of`): plain arrays by node and edge type, what PyG calls HeteroData.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared_schemas.learn.report_pb2 import FieldReport
from tomato_host.learn.policy.view import FEATURE_VERSION, FEATURES, PolicyAction
from tomato_host.learn.settings import LearnOfflineSettings
from tomato_host.learn.wal import WriteAheadLog, committed, compact

ALPHA, BETA = 0.6, 0.4
_DAY_MS = 86_400_000
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class HeteroGraph:
    """One decision as nodes by type [n, F] and edges by (from, to) [2, E]."""

    nodes: dict[str, Floats]
    edges: dict[tuple[str, str], np.ndarray[Any, np.dtype[np.int64]]]


STAGE_FEATURES = slice(9, 15)
SKILL_FEATURES = (1, 15, 16, 17)


def graph_of(features: Iterable[float], allowed: Iterable[int]) -> HeteroGraph:
    """Loop, stages, skill and actions as nodes; every action hears all, stages and skill hear the loop."""
    f = np.asarray(list(features), dtype=np.float64)
    stages = np.stack([f[STAGE_FEATURES], np.arange(6) / 6.0], axis=1)
    mask = np.isin(np.arange(len(PolicyAction)), list(allowed)).astype(np.float64)
    actions = np.concatenate([np.eye(len(PolicyAction)), mask[:, None]], axis=1)
    nodes = {"loop": f[None], "stage": stages, "skill": f[list(SKILL_FEATURES)][None], "action": actions}
    edges = {
        (a, b): np.stack(np.meshgrid(np.arange(len(nodes[a])), np.arange(len(nodes[b])))).reshape(2, -1)
        for a, b in (("loop", "stage"), ("loop", "action"), ("stage", "action"), ("skill", "action"))
    }
    return HeteroGraph(nodes, edges)


class Replay:
    """The log `learn/replay/wal.bin`. Raises OSError from what writes."""

    def __init__(self, path: Path, settings: LearnOfflineSettings) -> None:
        self.path, self.settings = path, settings
        self.refused = 0
        self._reports: dict[int, FieldReport] = {}
        for transaction in committed(path):
            for payload in transaction:
                report = FieldReport.FromString(payload)
                self._reports[report.report_id] = report

    def __len__(self) -> int:
        return len(self._reports)

    def keep(self, report: FieldReport) -> bool:
        """Store a report durably; False for one that is there, or cannot be learned from (other features, NaN)."""
        if report.report_id in self._reports:
            return False
        if not usable(report):
            self.refused += 1
            return False
        with WriteAheadLog(self.path) as log:
            log.transaction([report.SerializeToString()])
        self._reports[report.report_id] = report
        return True

    def retain(self, now_ms: int) -> int:
        """Forget what is too old or too many; returns how many went."""
        limit = now_ms - int(self.settings.replay_days * _DAY_MS)
        rows = sorted(self._reports.values(), key=lambda one: (one.sent_ms, one.report_id))
        kept = [one for one in rows if one.sent_ms >= limit][-self.settings.replay_reports :]
        gone = len(rows) - len(kept)
        if gone:
            compact(self.path, [[one.SerializeToString()] for one in kept])
            self._reports = {one.report_id: one for one in kept}
        return gone

    def reports(self) -> list[FieldReport]:
        """All of them, by run and epoch."""
        return sorted(self._reports.values(), key=lambda one: (one.run_id, one.epochs[0].epoch if one.epochs else 0))

    def graphs(self) -> list[HeteroGraph]:
        """The decisions as graphs, in the order of `reports`."""
        return [graph_of(one.state.features, one.state.allowed_actions) for one in self.reports()]

    def draw(self, count: int, priorities: Floats, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], Floats]:
        """Indices drawn by priority, and the weights that undo the bias (largest is 1). Raises ValueError for none."""
        if len(priorities) == 0:
            raise ValueError("nothing to draw from")
        chance = (np.abs(priorities) + 1e-6) ** ALPHA
        chance /= chance.sum()
        index = rng.choice(len(chance), size=count, p=chance)
        weight = (len(chance) * chance[index]) ** -BETA
        return index, weight / weight.max()


def usable(report: FieldReport) -> bool:
    """Whether a report can be learned from: today's features, an allowed action, finite numbers, at least one epoch."""
    state, choice = report.state, report.choice
    numbers = [*state.features, *report.next_state.features, choice.log_probability, choice.value]
    numbers += [epoch.reward for epoch in report.epochs]
    return (
        state.feature_version == FEATURE_VERSION
        and len(state.features) == len(FEATURES) == len(report.next_state.features)
        and choice.action in state.allowed_actions
        and max(state.allowed_actions, default=0) < len(PolicyAction)
        and bool(report.epochs)
        and bool(np.isfinite(numbers).all())
        and (choice.deterministic or choice.log_probability <= 0.0)
    )
