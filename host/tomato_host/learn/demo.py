"""The whole loop without a hand: deploy, adaptations, offline training, redeploy, new adaptations; with figures.

The seasons are modelled (`offline/seasons.py`); everything else is real: signed packets, the policy service with its
risk engine, field reports in their write-ahead log, the replay, PPO, the validation gate, promotion and hot reload.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shared_schemas.learn.command_pb2 import AdaptationCommand, SlotAction
from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome
from tomato_host.learn.blueprints import blueprint
from tomato_host.learn.messages import encode_state
from tomato_host.learn.modelled import modelled_signer, modelled_verifier, now_ms
from tomato_host.learn.offline.replay import Replay
from tomato_host.learn.offline.seasons import GREENHOUSES, KEPT_BACK, TRAINED_ON, GrowthSeason, score
from tomato_host.learn.offline.validate import SEEDS, validate
from tomato_host.learn.policy.heuristic import BASELINES, heuristic
from tomato_host.learn.policy.hot_reload import promote, read_promotion, reload_promoted, store_policy, weights_file
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.policy.view import PolicyAction
from tomato_host.learn.policy.weights import pack_weights, unpack_weights
from tomato_host.learn.report_store import ReportStore
from tomato_host.learn.settings import LearnOfflineSettings, LearnPolicySettings
from tomato_host.learn.signing import MessageSigner

_SIZES = {"small": PolicyAction.GERMINATE_SMALL, "medium": PolicyAction.GERMINATE_MEDIUM,
          "large": PolicyAction.GERMINATE_LARGE}  # fmt: skip


@dataclass
class DemoRun:
    """What one phase of adaptations did."""

    policy_version: int
    reward: float
    commands: dict[str, int]
    outcomes: dict[str, int]
    reports: int


@dataclass
class DemoResult:
    """The whole demonstration."""

    before: DemoRun
    after: DemoRun
    training: dict[str, float]
    passed: bool
    failed: list[str]
    kept_back: dict[str, dict[str, float]] = field(default_factory=dict)
    """Mean reward of a season that was kept back, by policy and greenhouse."""
    seconds: float = 0.0


def run_demo(
    root: Path, seed: int = 0, seasons: int = 4, nights: int = 150, first_rounds: int = 8, rounds: int = 32,
    show: Callable[[str], None] = lambda _: None,
) -> DemoResult:  # fmt: skip
    """All phases. Raises ImportError without the extra [learn], OSError."""
    from tomato_host.learn.offline.train import pretrain, train_on_reports

    started = time.perf_counter()
    signer, policies = modelled_signer(), root / "policy"
    offline = LearnOfflineSettings(least_reports=32)
    show("1. a first policy is trained on a few modelled seasons and deployed")
    first = pretrain("mlp", offline, seed, first_rounds)
    first_arrays = first.policy.arrays()
    store_policy(policies, 1, pack_weights(first_arrays))
    promote(policies, 1)
    store, replay = ReportStore(root / "reports.wal"), Replay(root / "replay.wal", offline)
    show("2. adaptations under policy 1")
    before = _adapt(policies, store, signer, seed, seasons, nights)
    show(f"   {before.reports} field reports")
    for stored in store.unsent():
        replay.keep(FieldReport.FromString(stored.raw))
        store.acknowledge(stored.report_id, stored.checksum)
    show("3. offline training on the reports and on modelled seasons; validation")
    learned = train_on_reports(first.policy, replay, offline, seed)
    further = pretrain("mlp", offline, seed + 1, rounds, learned.policy)
    body = pack_weights(further.policy.arrays())
    store_policy(policies, 2, body)
    deciding = unpack_weights(pack_weights(first_arrays), 1, read_promotion(policies).sha256)
    judged = validate(body, current=deciding, seeds=SEEDS, nights=nights)
    if judged.passed:
        promote(policies, 2)
    show(f"4. policy 2 {'passes and is deployed' if judged.passed else 'fails: ' + '; '.join(judged.failed)}")
    after = _adapt(policies, store, signer, seed, seasons, nights)
    show("5. adaptations again; figures")
    training = {
        "reports_learned": float(learned.decisions), "reports_kl": learned.figures.kl,
        "modelled_decisions": float(first.decisions + further.decisions), "entropy": further.figures.entropy,
        "explained_variance": further.figures.explained_variance,
    }  # fmt: skip
    kept = _kept_back(policies, nights)
    return DemoResult(before, after, training, judged.passed, judged.failed, kept, time.perf_counter() - started)


def _adapt(policies: Path, store: ReportStore, signer: MessageSigner, seed: int, seasons: int, nights: int) -> DemoRun:
    settings = LearnPolicySettings(kind="mlp")
    verifier = modelled_verifier()
    reports: list[FieldReport] = []

    def keep(report: FieldReport) -> None:
        signer.stamp(report)
        reports.append(report)
        store.append(report.report_id, signer.encode(report), now_ms())

    commands: Counter[str] = Counter()
    run_id = len(store.reports) + 1
    for n in range(seasons):
        service = PolicyService(signer, modelled_verifier(), settings, keep=keep)
        reload_promoted(policies, service, settings)
        season = GrowthSeason(GREENHOUSES[TRAINED_ON[n % len(TRAINED_ON)]], 500 + seed * 100 + n)
        for _ in range(nights):
            view = season.view()
            answer = service(encode_state(signer, run_id + n, view.epoch, view.metrics, view.slots))
            action = _action_of(answer, verifier)
            commands[action.name] += 1
            season.step(action)
        service.finish()
    total = float(np.mean([sum(epoch.reward for epoch in report.epochs[:1]) for report in reports])) * nights
    outcomes = Counter(ReportOutcome.Name(one.outcome).removeprefix("REPORT_OUTCOME_") for one in reports)
    return DemoRun(service.version, total, dict(commands), dict(outcomes), len(reports))


def _action_of(answer: bytes | None, verifier: Any) -> PolicyAction:
    """What a command means for a modelled season; it is verified as the trainer would."""
    if answer is None:
        return PolicyAction.NOTHING
    command = verifier.parse(answer, AdaptationCommand)
    if command.WhichOneof("command") == "slot":
        if command.slot.action == SlotAction.SLOT_ACTION_CULL:
            return PolicyAction.CULL_WORST
        return _SIZES[blueprint(command.slot.blueprint).size]
    return PolicyAction.PAUSE if command.WhichOneof("command") == "pause" else PolicyAction.NOTHING


def _kept_back(policies: Path, nights: int) -> dict[str, dict[str, float]]:
    cores: dict[str, Any] = dict(BASELINES) | {"heuristic": heuristic}
    for version in (1, 2):
        body = weights_file(policies, version).read_bytes()
        cores[f"policy {version}"] = unpack_weights(body, version, hashlib.sha256(body).hexdigest())
    return {name: score(core, KEPT_BACK, SEEDS, nights) for name, core in cores.items()}


def report_text(found: DemoResult, latencies: list[dict[str, Any]], drills: list[Any]) -> str:
    """The page docs/learning_report.md."""
    lines = [
        "# Report of the learning loop",
        "",
        "Generated: `tomato-host learn demo --report docs/learning_report.md`. Seasons are modelled, all else is real.",
        "",
        "## Before and after the update",
        "| | policy 1 | policy 2 |",
        "|---|---|---|",
        f"| deciding in the second phase | | {found.after.policy_version} |",
        f"| reward a season, where it was trained | {found.before.reward:.2f} | {found.after.reward:.2f} |",
        f"| reports | {found.before.reports} | {found.after.reports} |",
        f"| outcomes | {_counts(found.before.outcomes)} | {_counts(found.after.outcomes)} |",
        f"| commands | {_counts(found.before.commands)} | {_counts(found.after.commands)} |",
        "",
        f"Validation: {'passed' if found.passed else 'failed: ' + '; '.join(found.failed)}.",
        "Training: " + ", ".join(f"{name} {value:.3g}" for name, value in found.training.items()) + ".",
        "",
        "## Seasons that were kept back, mean reward of five seeds",
        "| policy | " + " | ".join(KEPT_BACK) + " |",
        "|---|" + "---|" * len(KEPT_BACK),
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{rewards[one]:.2f}" for one in KEPT_BACK) + " |"
        for name, rewards in found.kept_back.items()
    ]
    lines += ["", _beside_heuristic(found)]
    lines += ["", "## Latencies, milliseconds", "| operation | p50 | p95 | p95 of the processor | budget |",
              "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {row['name']} | {row['p50_ms']:.3f} | {row['p95_ms']:.3f} | {row['cpu_p95_ms']:.3f} "
        f"| {row['budget_ms'] or '-'} |"
        for row in latencies
    ]
    lines += ["", "## Drills", "| drill | alert | fired | back to nominal | steps |", "|---|---|---|---|---|"]
    lines += [
        f"| {d.name} | `{d.alert}` | {'yes' if d.fired else 'NO'} | {'yes' if d.nominal else 'NO'} "
        f"| {'; '.join(d.steps)} |"
        for d in drills
    ]
    return "\n".join([*lines, "", *_LESSONS])


def _beside_heuristic(found: DemoResult) -> str:
    own, simple = (sum(found.kept_back[name].values()) for name in ("policy 2", "heuristic"))
    if own > simple:
        return f"Policy 2 earns {own:.2f} in sum, the heuristic {simple:.2f}: with this seed it is the better one."
    return (
        f"Policy 2 earns {own:.2f} in sum, the heuristic {simple:.2f}: good enough to follow policy 1, "
        "not to follow the heuristic, which stays the default."
    )


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name.lower()} {count}" for name, count in sorted(found.items()))


_LESSONS = [
    "## Lessons, and what is open",
    "- A block with an earned share gains where the weather is known and loses nothing where it is not",
    "  ([learning.md](learning.md)).",
    "- Freezing an accepted block harms on a plant that changes; its read-out goes on learning.",
    "- A learned policy decides only after it has beaten never, schedule and greedy on modelled seasons that were kept",
    "  back. The model is simple, so the default stays the heuristic: `[learn.policy] kind`.",
    "- Open: a policy proven on reports of real tents; there are not enough of them.",
    "",
]
