"""`tomato-host learn train|validate|promote`: learn a policy offline, prove it, let it decide, take it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.learn_options import DEFAULT_DATA, AsJson, Config, Data, show
from tomato_host.cli.worker_options import Jobs, Scheduler, TaskCounts

if TYPE_CHECKING:
    from tomato_host.learn.offline.candidates import PolicyCandidate
    from tomato_host.learn.offline.replay import Replay
    from tomato_host.learn.settings import LearnOfflineSettings
    from tomato_host.parallel.tasks import Workers
    from tomato_host.terminal.progress import Progress

Version = Annotated[int, typer.Argument(help="Version of the policy.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (train, validate, promote):
        app.command()(command)


def _root(data: Path) -> Path:
    return data / "learn" / "policy"


def _ingest(data: Path, settings: Any) -> Replay:
    """The replay, with what the report store holds; each report stored there gets its receipt."""
    from shared_schemas.learn.report_pb2 import FieldReport
    from tomato_host.learn.offline.replay import Replay
    from tomato_host.learn.report_store import ReportStore

    replay = Replay(data / "learn" / "replay" / "wal.bin", settings.offline)
    store = ReportStore(data / "learn" / "reports" / "wal.bin")
    for stored in store.unsent():
        replay.keep(FieldReport.FromString(stored.raw))
        store.acknowledge(stored.report_id, stored.checksum)
    return replay


def train(
    data: Data = DEFAULT_DATA,
    config: Config = None,
    rounds: Annotated[int, typer.Option(help="Rounds of modelled seasons when there is no policy yet.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    candidates: Annotated[
        int, typer.Option(min=1, max=1_000, help="First policies to train, seeds from --seed on; the best is kept.")
    ] = 1,
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
    as_json: AsJson = False,
) -> None:
    """Ingest field reports and train the next policy (extra [learn]): from modelled seasons, then from reports."""
    from tomato_host.learn.offline.networks import make_policy
    from tomato_host.learn.offline.train import train_on_reports
    from tomato_host.learn.policy.hot_reload import read_promotion, store_policy, weights_file
    from tomato_host.learn.policy.weights import pack_weights, unpack_weights
    from tomato_host.parallel.tasks import Workers
    from tomato_host.settings import load_settings
    from tomato_host.terminal.progress import progress

    settings, workers = load_settings(config).learn, Workers(jobs, scheduler)
    replay, root = _ingest(data, settings), _root(data)
    held = read_promotion(root)
    if held.version:
        policy = make_policy("mlp", seed)
        body = weights_file(root, held.version).read_bytes()
        policy.load(unpack_weights(body, held.version, held.sha256).arrays)
        with progress("training on reports", as_json):
            trained = train_on_reports(policy, replay, settings.offline, seed)
        packed, watched, decisions = pack_weights(trained.policy.arrays()), trained.figures, trained.decisions
    else:
        with progress("training on modelled seasons", as_json) as shown:
            best = _first_policy(settings.offline, seed, candidates, rounds, workers, shown)
        packed, watched, decisions = best.body, best.figures, best.decisions
    version = 1 + max([held.version, held.before, *_versions(root)])
    store_policy(root, version, packed)
    facts = {
        "version": version,
        "decisions": decisions,
        "updates": watched.updates,
        "kl": watched.kl,
        "entropy": watched.entropy,
        "explained_variance": watched.explained_variance,
        "collapsed": watched.collapsed,
        "reports": len(replay),
    }
    text = f"Policy {version}: {decisions} decisions, entropy {watched.entropy:.2f}, {len(replay)} reports held."
    show(facts, [text], as_json)


def _first_policy(
    settings: LearnOfflineSettings, seed: int, count: int, rounds: int, workers: Workers, shown: Progress
) -> PolicyCandidate:
    from tomato_host.learn.offline.candidates import best_candidate, train_candidate

    if count == 1:
        return train_candidate(seed, settings, rounds, shown.share)
    counts = TaskCounts(shown, count)
    return best_candidate(settings, seed, count, rounds, workers, lambda worker, one: counts.add(worker))


def _versions(root: Path) -> list[int]:
    return [int(path.stem.rpartition("-")[2]) for path in root.glob("policy-*.npz")]


def validate(
    version: Version,
    data: Data = DEFAULT_DATA,
    nights: Annotated[int, typer.Option(help="Nights of a modelled season.")] = 150,
    as_json: AsJson = False,
) -> None:
    """Judge a policy: performance, regression, chaos, property, security. Exit code 1 when it may not decide."""
    from tomato_host.learn.offline.validate import validate as judge
    from tomato_host.terminal.progress import progress

    with progress("validating", as_json):
        found = judge(_body(data, version), _current(data), nights=nights)
    facts = {"version": version, "passed": found.passed, "failed": found.failed, "figures": found.figures}
    lines = [f"Policy {version} {'may decide' if found.passed else 'may not decide'}.", *found.failed]
    lines += [f"  {name:24} {value:.4g}" for name, value in found.figures.items()]
    show(facts, lines, as_json)
    raise typer.Exit(0 if found.passed else 1)


def promote(version: Version, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Validate a policy and let it decide from the next epoch on; 0 is the heuristic, and always allowed."""
    from dataclasses import asdict

    from tomato_host.learn.offline.validate import validate as judge
    from tomato_host.learn.policy.hot_reload import promote as let_decide
    from tomato_host.terminal.progress import progress

    if version:
        with progress("validating", as_json):
            judged = judge(_body(data, version), _current(data))
        if not judged.passed:
            show({"promoted": False, "failed": judged.failed}, ["Not promoted: " + "; ".join(judged.failed)], as_json)
            raise typer.Exit(1)
    found = let_decide(_root(data), version)
    text = f"Policy {found.version} decides from the next epoch on; before it {found.before}."
    show({"promoted": True, **asdict(found)}, [text], as_json)


def _body(data: Path, version: int) -> bytes:
    from tomato_host.errors import TomatoError
    from tomato_host.learn.policy.hot_reload import weights_file

    try:
        return weights_file(_root(data), version).read_bytes()
    except OSError as error:
        raise TomatoError(
            "E-LEARN-POLICY", f"There is no policy {version}: {error.strerror}.", "`tomato-host learn train` makes one"
        ) from None


def _current(data: Path) -> Any:
    from tomato_host.learn.policy.heuristic import heuristic
    from tomato_host.learn.policy.hot_reload import read_promotion
    from tomato_host.learn.policy.weights import unpack_weights

    held = read_promotion(_root(data))
    return unpack_weights(_body(data, held.version), held.version, held.sha256) if held.version else heuristic
