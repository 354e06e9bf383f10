"""Training a policy: from modelled seasons, then from field reports. `import torch` comes with `ppo` and `networks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from shared_schemas.learn.report_pb2 import FieldReport
from tomato_host.learn.offline.networks import make_policy
from tomato_host.learn.offline.ppo import Batch, TrainingFigures, batch_of, gae, rows_of, update
from tomato_host.learn.offline.replay import Replay
from tomato_host.learn.offline.seasons import GREENHOUSES, TRAINED_ON, play
from tomato_host.learn.policy.field_reports import Choice
from tomato_host.learn.policy.view import PolicyAction
from tomato_host.learn.settings import LearnOfflineSettings

ROUNDS, SEASONS = 40, 8


class TorchCore:
    """A policy of torch as a core that draws: for collecting seasons."""

    def __init__(self, policy: Any, seed: int) -> None:
        self._policy = policy
        self._rng = np.random.default_rng(seed)

    def __call__(self, features: Sequence[float], allowed: Sequence[int]) -> Choice:
        mask = torch.zeros((1, len(PolicyAction)), dtype=torch.bool)
        mask[0, list(allowed)] = True
        with torch.no_grad():
            log_p, value = self._policy(torch.as_tensor([features], dtype=torch.float32), mask)
        chances = log_p[0].exp().numpy().astype(np.float64)
        action = int(self._rng.choice(len(chances), p=chances / chances.sum()))
        return Choice(action, float(log_p[0, action]), float(value[0]), deterministic=False)


@dataclass(frozen=True)
class Trained:
    """A policy and what was watched while it learned."""

    policy: Any
    figures: TrainingFigures
    decisions: int


def pretrain(
    kind: str,
    settings: LearnOfflineSettings,
    seed: int = 0,
    rounds: int = ROUNDS,
    policy: Any = None,
    report: Callable[[float], None] = lambda share: None,
) -> Trained:
    """Learn on modelled seasons of the greenhouses that may be trained on; on-policy, a few seasons a round.

    `policy`: go on with this one instead of a fresh one. `report` gets the share of the rounds done.
    """
    torch.set_num_threads(1)
    policy, figures, decisions = policy or make_policy(kind, seed), TrainingFigures(), 0
    for number in range(rounds):
        batch = _collected(policy, seed, number)
        decisions += len(batch.actions)
        figures = update(
            policy, batch, epochs=settings.epochs, learning_rate=settings.learning_rate,
            target_kl=settings.target_kl, seed=seed * 1_000 + number,
        )  # fmt: skip
        report((number + 1) / rounds)
    return Trained(policy, figures, decisions)


def _collected(policy: Any, seed: int, number: int) -> Batch:
    rows: list[list[Any]] = [[], [], [], [], [], []]
    core = TorchCore(policy, seed * 7_919 + number)
    for n in range(SEASONS):
        greenhouse = GREENHOUSES[TRAINED_ON[n % len(TRAINED_ON)]]
        run = play(core, greenhouse, 10_000 + seed * 1_000_003 + number * SEASONS + n)
        advantages, returns = gae(run.rewards, [one.value for one in run.choices], 0.0)
        actions, log_p = [one.action for one in run.choices], [one.log_probability for one in run.choices]
        for column, values in zip(rows, (run.features, run.allowed, actions, log_p, advantages, returns), strict=True):
            column.extend(values)
    return batch_of(*rows)


def train_on_reports(policy: Any, replay: Replay, settings: LearnOfflineSettings, seed: int = 0) -> Trained:
    """Go on learning from field reports: drawn decisions only, off-policy by their recorded log-probabilities.

    With `[learn.offline] lora` the hidden layers stay as they are and low-rank updates learn.
    """
    batch = reports_batch(replay.reports())
    if batch is None or len(batch.actions) < settings.least_reports:
        return Trained(policy, TrainingFigures(), 0 if batch is None else len(batch.actions))
    if settings.lora:
        policy.adapt(settings.lora_rank, seed)
    index, weights = replay.draw(len(batch.actions), batch.advantages.numpy(), np.random.default_rng(seed))
    rows = torch.as_tensor(index)
    drawn = rows_of(batch, rows)
    drawn.weights = torch.as_tensor(weights, dtype=torch.float32)
    figures = update(
        policy, drawn, epochs=settings.epochs, learning_rate=settings.learning_rate,
        target_kl=settings.target_kl, seed=seed,
    )  # fmt: skip
    return Trained(policy, figures, len(index))


def reports_batch(reports: Sequence[FieldReport]) -> Batch | None:
    """Decisions of reports with advantages by episode; None without a drawn decision. Gaps end an episode."""
    rows: list[list[Any]] = [[], [], [], [], [], []]
    for episode in episodes_of(reports):
        values = [one.choice.value for one in episode]
        advantages, returns = gae([one.epochs[0].reward for one in episode], values, 0.0)
        for n, one in enumerate(episode):
            if not one.choice.deterministic:
                for column, value in zip(
                    rows,
                    (
                        tuple(one.state.features), tuple(one.state.allowed_actions), one.choice.action,
                        one.choice.log_probability, advantages[n], returns[n],
                    ),
                    strict=True,
                ):  # fmt: skip
                    column.append(value)
    return batch_of(*rows) if rows[0] else None


def episodes_of(reports: Sequence[FieldReport]) -> list[list[FieldReport]]:
    """Reports in order, cut where a run, a policy's version or the row of nights ends."""
    found: list[list[FieldReport]] = []
    for one in reports:
        last = found[-1][-1] if found else None
        follows = (
            last is not None
            and not last.ends_episode
            and (last.run_id, last.policy_version) == (one.run_id, one.policy_version)
            and one.epochs[0].epoch == last.epochs[0].epoch + 1
        )
        if follows:
            found[-1].append(one)
        else:
            found.append([one])
    return found
