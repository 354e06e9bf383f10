"""Offline learning without torch: the replay, modelled seasons, the validation gate, publication over a real Redis."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tomato_host.learn.bus.connect import open_bus
from tomato_host.learn.offline import validate as validate_module
from tomato_host.learn.offline.publish import UpdateReceiver, announce
from tomato_host.learn.offline.replay import Replay, graph_of
from tomato_host.learn.offline.seasons import GREENHOUSES, KEPT_BACK, TRAINED_ON, play, score
from tomato_host.learn.offline.validate import validate
from tomato_host.learn.policy.heuristic import BASELINES, heuristic, never
from tomato_host.learn.policy.hot_reload import read_promotion, reload_promoted
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.policy.weights import SHAPES, pack_weights
from tomato_host.learn.settings import LearnBusSettings, LearnOfflineSettings, LearnPolicySettings

from shared_schemas.learn.report_pb2 import FieldReport, PolicyUpdate
from tests.bus.brokers import RealRedis, needs_redis
from tests.learn.loops import KEYS, NOW_MS, now_ms
from tests.learn.test_compile import Heard
from tests.learn.views import report, signer, verifier

DAY_MS = 86_400_000


def dated(number: int, days_ago: float = 0.0) -> FieldReport:
    return report(number, sent_ms=NOW_MS - int(days_ago * DAY_MS))


def test_the_replay_is_bounded_by_number_and_age_and_survives_a_restart(tmp_path: Path) -> None:
    settings = LearnOfflineSettings(replay_reports=10, replay_days=30.0)
    one = Replay(tmp_path / "wal.bin", settings)
    assert all(one.keep(dated(n, days_ago=n)) for n in range(1, 41)) and not one.keep(dated(1))
    assert one.retain(NOW_MS) == 30 and len(one) == 10
    again = Replay(tmp_path / "wal.bin", settings)
    assert {r.report_id for r in again.reports()} == set(range(1, 11))


@pytest.mark.parametrize("bad", ["features", "action", "NaN", "epochs", "positive"])
def test_a_report_that_cannot_be_learned_from_is_refused_and_counted(tmp_path: Path, bad: str) -> None:
    found = report(1)
    if bad == "features":
        found.state.feature_version = "f0"
    elif bad == "action":
        found.choice.action = 5
    elif bad == "NaN":
        found.epochs[0].reward = float("nan")
    elif bad == "epochs":
        del found.epochs[:]
    else:
        found.choice.log_probability = 0.5
    one = Replay(tmp_path / "wal.bin", LearnOfflineSettings())
    assert not one.keep(found) and one.refused == 1 and len(one) == 0


def test_a_decision_is_a_heterogeneous_graph() -> None:
    graph = graph_of(np.arange(20) / 10.0, (0, 2))
    assert {name: len(rows) for name, rows in graph.nodes.items()} == {"loop": 1, "stage": 6, "skill": 1, "action": 6}
    assert graph.nodes["action"][:, -1].tolist() == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert graph.edges["stage", "action"].shape == (2, 36) and set(graph.edges) > {("loop", "stage")}


def test_draws_follow_priority_and_their_weights_undo_it(tmp_path: Path) -> None:
    one = Replay(tmp_path / "wal.bin", LearnOfflineSettings())
    priorities = np.array([0.1, 0.1, 10.0, 0.1])
    index, weight = one.draw(4_000, priorities, np.random.default_rng(0))
    share = float(np.mean(index == 2))
    expected = 10.0**0.6 / (10.0**0.6 + 3 * 0.1**0.6)
    assert share == pytest.approx(expected, abs=0.03)
    assert weight.max() == 1.0 and weight[index == 2].max() < weight[index != 2].min()
    with pytest.raises(ValueError):
        one.draw(1, np.array([]), np.random.default_rng(0))


def test_a_season_is_repeatable_and_no_simple_rule_is_right_everywhere() -> None:
    first, second = (play(heuristic, GREENHOUSES["agc3"], 5) for _ in range(2))
    assert first.rewards == second.rewards and len(first.rewards) == 150
    seeds = range(20)
    totals = {name: score(core, list(GREENHOUSES), seeds, 80) for name, core in BASELINES.items()}
    assert set(totals["never"].values()) == {0.0}
    assert totals["greedy"]["agc3"] > 1.0 and totals["greedy"]["tunnel"] < 0.0
    assert not set(TRAINED_ON) & set(KEPT_BACK)


def arrays(**bias: float) -> dict[str, np.ndarray]:
    """A policy that prefers what its biases say, whatever it sees."""
    found = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    for name, value in bias.items():
        found["ba"][int(name[1:])] = value
    return found


def test_a_policy_that_is_no_better_than_a_simple_rule_fails_and_an_alarm_is_sent() -> None:
    heard = Heard()
    found = validate(pack_weights(arrays(a0=9.0)), telemetry=heard, seeds=(1,), nights=40)
    assert not found.passed and any("never" in text for text in found.failed)
    assert "performance: one action for everything" in found.failed, "a collapsed policy"
    (event,) = heard.events
    assert event.name == "validation" and event.labels["result"] == "failed" and event.level == 3


def test_a_policy_that_is_better_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def scored(core: object, names: object, seeds: object, nights: int = 0) -> dict[str, float]:
        return dict.fromkeys(KEPT_BACK, 2.0 if not callable(core) or hasattr(core, "arrays") else 1.0)

    monkeypatch.setattr(validate_module, "score", scored)
    heard = Heard()
    found = validate(pack_weights(arrays()), telemetry=heard, seeds=(1,), nights=40)
    assert found.passed, found.failed
    assert heard.events[0].labels["result"] == "passed" and found.figures["reward"] == 2.0
    worse = validate(pack_weights(arrays()), current=type("Now", (), {"arrays": 1, "__call__": never})(), seeds=(1,))
    assert worse.passed, "as good as what decides now is enough"


@pytest.mark.parametrize("bad", [b"", b"\x80\x04pickle", b"PK\x03\x04" + b"x" * 99])
def test_what_is_no_weights_fails_security_and_is_not_run(bad: bytes) -> None:
    found = validate(bad)
    assert len(found.failed) == 1 and found.failed[0].startswith("security")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealRedis]:
    broker = RealRedis(tmp_path / "redis")
    yield broker
    broker.stop()


@needs_redis
def test_a_policy_is_announced_received_promoted_reloaded_and_a_bad_one_refused(
    server: RealRedis, tmp_path: Path
) -> None:
    bus = LearnBusSettings(enabled=True, url=server.url)
    wanted = LearnPolicySettings(kind="mlp")
    receiver = UpdateReceiver(open_bus(bus), bus, tmp_path / "policy", KEYS, now_ms)
    policy = PolicyService(signer(), verifier(), wanted)

    def received() -> None:
        end = time.monotonic() + 5.0
        while receiver.poll(0.1) and time.monotonic() < end:
            pass

    rng = np.random.default_rng(0)
    body = pack_weights({name: rng.normal(0.0, 0.3, shape) for name, shape in SHAPES.items()})
    announce(open_bus(bus), bus, signer(), 1, body, {"reward": 1.5})
    received()
    assert receiver.promoted == [1] and reload_promoted(tmp_path / "policy", policy, wanted) == "activated"
    poisoned = arrays()
    poisoned["w1"][0, 0] = np.nan
    announce(open_bus(bus), bus, signer(), 2, pack_weights(poisoned), {})
    announce(open_bus(bus), bus, signer(), 1, body, {})
    client, wrong = open_bus(bus), PolicyUpdate(schema=1, policy_version=9, feature_version="f1", weights=body)
    wrong.sha256 = hashlib.sha256(b"other").digest()
    own = signer()
    own.stamp(wrong)
    client.xadd(bus.update_stream, {b"m": own.encode(wrong)})
    client.xadd(bus.update_stream, {b"m": b"forged"})
    received()
    assert receiver.promoted == [1] and len(receiver.refused) == 4 and "not newer" in receiver.refused[1]
    assert read_promotion(tmp_path / "policy").version == 1 and policy.version == 1
