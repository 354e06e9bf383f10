"""The policy: deterministic, risk with reason codes and hysteresis, breaker, metadata in time or not at all, reload."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tomato_host.errors import TomatoError
from tomato_host.learn.policy.breaker import REST_EPOCHS, PolicyBreaker
from tomato_host.learn.policy.field_reports import Choice
from tomato_host.learn.policy.heuristic import BASELINES, heuristic
from tomato_host.learn.policy.hot_reload import promote, read_promotion, reload_promoted, store_policy, weights_file
from tomato_host.learn.policy.risk import RiskEngine, signals_of
from tomato_host.learn.policy.selection import BlueprintSelection
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.policy.view import FEATURES, PolicyAction, allowed_actions, features_of
from tomato_host.learn.policy.weights import SHAPES, pack_weights, unpack_weights
from tomato_host.learn.settings import LearnPolicySettings

from shared_schemas.learn.budgets import POLICY_INFERENCE_MS
from shared_schemas.learn.command_pb2 import AdaptationCommand, ReasonCode, RiskLevel, SlotAction
from shared_schemas.learn.lifecycle import SlotStage
from tests.learn.views import packets, signer, slot, verifier, view

S, R, A = SlotStage, RiskLevel, PolicyAction
EMPTY = slot("vpd_kpa.0", S.DORMANT)


def service(settings: LearnPolicySettings | None = None, **more: object) -> PolicyService:
    return PolicyService(signer(), verifier(), settings, **more)  # type: ignore[arg-type]


def ask(one: PolicyService, raw: list[bytes]) -> AdaptationCommand | None:
    answer = one(raw)
    return None if answer is None else verifier().parse(answer, AdaptationCommand)


def test_the_same_packets_get_the_same_command_in_time() -> None:
    def decided() -> tuple[str, int, int]:
        command = ask(service(), packets(1, EMPTY, slot("soil.P1.0", S.TRAINING)))
        assert command is not None
        return command.slot.slot, command.slot.blueprint, command.slot.action

    assert decided() == decided() == ("vpd_kpa.0", 1, SlotAction.SLOT_ACTION_GERMINATE)
    one, times = service(), []
    for epoch in range(40):
        raw = packets(epoch, *(slot(f"soil.P{n}.0", S.TRAINING, loss=0.5) for n in range(30)))
        started = time.process_time()
        one(raw)
        times.append((time.process_time() - started) * 1_000.0)
    assert sorted(times)[37] <= POLICY_INFERENCE_MS


def test_features_are_finite_and_bounded_whatever_a_packet_says() -> None:
    wild = view(1, slot("a.0", S.TRAINING, loss=1e30, held_out_error=1e30, gradient_norm=1e30), loss=1e30)
    for one in (wild, view(1), view(1, EMPTY)):
        found = features_of(one)
        assert len(found) == len(FEATURES) and np.isfinite(found).all() and np.abs(found).max() <= 5.0
    odd = slot("a.0", S.TRAINING)
    odd.stage = 99  # type: ignore[assignment]
    assert allowed_actions(view(1, odd)) == (A.NOTHING,), "a stage of a newer version is left alone"


def test_the_mask_allows_what_would_do_something() -> None:
    assert allowed_actions(view(1)) == (0,)
    assert set(allowed_actions(view(1, EMPTY))) == {0, 1, 2, 3}
    assert set(allowed_actions(view(1, EMPTY, schedule_free=0.0))) == {0}
    assert set(allowed_actions(view(1, slot("a.0", S.TRAINING)))) == {0, A.CULL_WORST, A.PAUSE}


def test_heuristic_and_the_three_it_is_compared_with() -> None:
    bad = view(1, slot("a.0", S.PROBATIONARY, held_out_error=1.08), EMPTY)
    assert heuristic(features_of(bad), allowed_actions(bad)).action == A.CULL_WORST
    good = view(1, slot("a.0", S.PROBATIONARY, held_out_error=0.98), EMPTY, days_learned=31)
    chosen = {name: core(features_of(good), allowed_actions(good)).action for name, core in BASELINES.items()}
    assert chosen == {"never": A.NOTHING, "schedule": A.GERMINATE_MEDIUM, "greedy": A.GERMINATE_LARGE}
    command = ask(service(), packets(1, slot("a.0", S.PROBATIONARY, held_out_error=1.08)))
    assert command is not None and command.slot.action == SlotAction.SLOT_ACTION_CULL
    assert command.reason == ReasonCode.REASON_CODE_SKILL_LOST


RISKS: dict[str, tuple[dict[str, float], dict[str, float], int, int | None]] = {
    "quiet": ({}, {}, R.RISK_LEVEL_GREEN, None),
    "violations": ({"violations": 3}, {}, R.RISK_LEVEL_CRITICAL, ReasonCode.REASON_CODE_ISOLATION_VIOLATION),
    "gradient": ({"gradient_norm": 9.0}, {}, R.RISK_LEVEL_RED, ReasonCode.REASON_CODE_LOSS_SPIKE),
    "drift": ({}, {"held_out_error": 1.046}, R.RISK_LEVEL_RED, ReasonCode.REASON_CODE_SKILL_LOST),
    "slow": ({}, {"boundary_ms": 34.0}, R.RISK_LEVEL_ORANGE, ReasonCode.REASON_CODE_HOOK_BUDGET),
    "memory": ({}, {"memory_mb": 900.0}, R.RISK_LEVEL_YELLOW, ReasonCode.REASON_CODE_RESOURCE_LIMIT),
}


@pytest.mark.parametrize("case", RISKS)
def test_each_signal_has_its_level_and_its_reason(case: str) -> None:
    of_slot, metrics, level, reason = RISKS[case]
    found = RiskEngine(LearnPolicySettings()).assess(view(1, slot("a.0", S.TRAINING, **of_slot), **metrics))
    assert found.level == level and (reason is None or found.reason == reason), found
    assert all(0.0 <= value <= 1.0 for value in found.signals.values()) and len(found.signals) == 5


def test_a_level_rises_at_once_and_falls_after_three_calm_epochs() -> None:
    engine = RiskEngine(LearnPolicySettings())
    levels = [engine.assess(view(1, held_out_error=1.06)).level]
    levels += [engine.assess(view(n)).level for n in range(2, 16)]
    assert levels[0] == R.RISK_LEVEL_CRITICAL and levels[1:3] == [R.RISK_LEVEL_CRITICAL] * 2
    assert levels[3:6] == [R.RISK_LEVEL_RED] * 3 and levels[-1] == R.RISK_LEVEL_GREEN
    assert engine.assess(view(20, held_out_error=1.06)).level == R.RISK_LEVEL_CRITICAL


def test_conservative_mode_tightens_thresholds_which_are_settings() -> None:
    one = view(1, boundary_ms=20.5)
    assert RiskEngine(LearnPolicySettings()).assess(one).level == R.RISK_LEVEL_GREEN
    assert RiskEngine(LearnPolicySettings()).assess(one, conservative=True).level == R.RISK_LEVEL_YELLOW
    assert RiskEngine(LearnPolicySettings(yellow=0.1)).assess(one).level == R.RISK_LEVEL_YELLOW
    assert signals_of(one, LearnPolicySettings(boundary_ms=10.0))["latency"] == 1.0


def test_what_each_level_makes_of_a_command() -> None:
    yellow = ask(service(), packets(1, EMPTY, memory_mb=900.0))
    assert yellow is not None and yellow.slot.blueprint == 2, "mitigated: a small block of the conservative pool"
    assert ask(service(), packets(1, EMPTY, boundary_ms=34.0)) is None, "orange: nothing new grows"
    red = ask(service(), packets(5, EMPTY, held_out_error=1.046))
    assert red is not None and red.issuer == "risk" and red.rollback.to_epoch == 4
    pause = ask(service(), packets(1, slot("a.0", S.TRAINING, gradient_norm=9.0)))
    assert pause is not None and pause.pause.epochs == 1 and pause.risk == R.RISK_LEVEL_RED
    critical = ask(service(), packets(1, slot("a.0", S.TRAINING, violations=3)))
    assert critical is not None and critical.emergency.conservative


def test_a_rollback_is_asked_for_once_a_week_and_a_pause_in_between() -> None:
    one = service()
    kinds = []
    for epoch in range(10, 18):
        command = ask(one, packets(epoch, held_out_error=1.046))
        assert command is not None
        kinds.append(command.WhichOneof("command"))
    assert kinds == ["rollback", *["pause"] * 6, "rollback"]


def test_a_slow_or_failing_policy_opens_its_breaker_and_the_heuristic_decides() -> None:
    breaker = PolicyBreaker()
    assert [breaker.record(n, 70.0) for n in (1, 2, 3)] == [False, False, True]
    assert not breaker.allows(4) and breaker.allows(3 + REST_EPOCHS)
    assert breaker.record(3 + REST_EPOCHS, 70.0), "on trial one is enough"
    assert not PolicyBreaker().record(1, 44.0)

    def fails(features: object, allowed: object) -> Choice:
        calls.append(1)
        raise RuntimeError

    one, calls = service(), list[int]()
    one.use(fails, 3)
    for epoch in range(8):
        command = ask(one, packets(epoch, EMPTY))
        assert command is not None and command.issuer == "heuristic" and command.policy_version == 3
    assert len(calls) == 3 and one.breaker.opened == 1
    other = service()
    other.use(lambda features, allowed: Choice(A.CULL_WORST), 1)
    assert ask(other, packets(1, EMPTY)).slot.action == SlotAction.SLOT_ACTION_GERMINATE, "not allowed: not followed"  # type: ignore[union-attr]


def test_metadata_moves_the_choice_as_far_as_the_settings_say() -> None:
    worth = {1: {"worth": -0.05}, 12: {"worth": 0.03}, 16: {"worth": 0.2, "quarantined": 1.0}}

    def chosen(influence: float) -> int:
        selection = BlueprintSelection(
            LearnPolicySettings(metadata_influence=influence, metadata_wait_ms=1_000.0), metadata=lambda _: worth
        )
        found = selection.choose(A.GERMINATE_MEDIUM)
        assert found is not None and selection.skipped == 0
        return found.id

    assert chosen(0.0) == 1 and chosen(1.0) != 1 and chosen(1.0) != 16, "in quarantine whatever it is worth"


def test_metadata_that_is_late_or_fails_is_skipped() -> None:
    def late(_: list[int]) -> dict[int, dict[str, float]]:
        time.sleep(0.2)
        return {1: {"worth": -1.0}}

    def fails(_: list[int]) -> dict[int, dict[str, float]]:
        raise OSError

    for metadata in (late, fails):
        selection = BlueprintSelection(LearnPolicySettings(metadata_wait_ms=5.0), metadata=metadata)
        started = time.perf_counter()
        found = selection.choose(A.GERMINATE_MEDIUM)
        assert found is not None and found.id == 1 and selection.skipped == 1
        assert time.perf_counter() - started < 0.15


def weights(seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    return pack_weights({name: rng.normal(0.0, 0.3, shape) for name, shape in SHAPES.items()})


MLP = LearnPolicySettings(kind="mlp")


def test_a_promoted_policy_decides_says_how_likely_its_choice_was_and_can_be_taken_back(tmp_path: Path) -> None:
    one = service(MLP)
    assert reload_promoted(tmp_path, one, MLP) == ""
    store_policy(tmp_path, 1, weights())
    assert reload_promoted(tmp_path, one, MLP) == "", "stored is not promoted"
    promote(tmp_path, 1)
    assert reload_promoted(tmp_path, one, MLP) == "activated" and one.version == 1
    assert reload_promoted(tmp_path, one, LearnPolicySettings()) == "", "[learn.policy] kind = heuristic: not asked"
    one(packets(1, EMPTY))
    dumped = service(MLP)
    dumped.windows.load(one.windows.dump())
    choice = one.windows._open[0].choice
    assert not choice.deterministic and choice.log_probability < 0.0
    store_policy(tmp_path, 2, weights(1))
    assert promote(tmp_path, 2).before == 1
    assert reload_promoted(tmp_path, one, MLP) == "activated" and one.version == 2
    promote(tmp_path, 0)
    assert reload_promoted(tmp_path, one, MLP) == "rolled_back" and one.core is heuristic


def poisoned(name: str) -> bytes:
    arrays = {key: np.zeros(shape) for key, shape in SHAPES.items()}
    if name == "NaN":
        arrays["w2"][3, 3] = np.nan
    elif name == "huge":
        arrays["wa"][0, 0] = 1e9
    elif name == "shape":
        arrays["w1"] = np.zeros((3, 32))
    elif name == "pickle":
        from io import BytesIO

        buffer = BytesIO()
        np.savez(buffer, **(arrays | {"w1": np.array([{"a": 1}], dtype=object)}))  # type: ignore[arg-type]
        return buffer.getvalue()
    elif name == "features":
        return pack_weights(arrays).replace(b'"f1"', b'"f9"')
    elif name == "garbage":
        return b"PK\x03\x04 nothing of the kind"
    return pack_weights(arrays)


@pytest.mark.parametrize("name", ["NaN", "huge", "shape", "pickle", "features", "garbage"])
def test_a_poisoned_policy_is_refused_and_the_one_before_goes_on(tmp_path: Path, name: str) -> None:
    one = service(MLP)
    store_policy(tmp_path, 1, weights())
    promote(tmp_path, 1)
    reload_promoted(tmp_path, one, MLP)
    store_policy(tmp_path, 2, poisoned(name))
    with pytest.raises(TomatoError) as error:
        promote(tmp_path, 2)
    assert error.value.code == "E-LEARN-POLICY" and read_promotion(tmp_path).version == 1
    store_policy(tmp_path, 2, weights(2))
    promote(tmp_path, 2)
    weights_file(tmp_path, 2).write_bytes(poisoned(name))
    assert reload_promoted(tmp_path, one, MLP) == "refused" and one.version == 1
    (tmp_path / "promoted.json").write_bytes(b"{")
    assert reload_promoted(tmp_path, one, MLP) == "rolled_back" and one.version == 0, "unreadable: the heuristic"


def test_probabilities_are_masked_and_a_draw_is_repeatable() -> None:
    body = weights()
    import hashlib

    one = unpack_weights(body, 1, hashlib.sha256(body).hexdigest())
    rng, seen = np.random.default_rng(3), set()
    for _ in range(200):
        features = tuple(rng.normal(size=len(FEATURES)))
        log_p, _ = one.evaluate(features, (0, 2, 5))
        assert np.exp(log_p).sum() == pytest.approx(1.0) and np.isneginf(log_p[[1, 3, 4]]).all()
        first = one(features, (0, 2, 5))
        assert first == one(features, (0, 2, 5)) and first.action in (0, 2, 5)
        seen.add(first.action)
    assert seen == {0, 2, 5}
