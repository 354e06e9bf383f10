"""Candidates, versions on disk, two-step loading, rolling back."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tomato_host.brain.world_model.data import HourlyLog
from tomato_host.brain.world_model.learners import EXPERTS_OF_0_1, EXPERTS_OF_0_2
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.model_arrays import clone, restore, to_arrays
from tomato_host.brain.world_model.promotion import ModelPair, compare, failed_properties
from tomato_host.cli import model as model_cli
from tomato_host.errors import TomatoError
from tomato_host.models.store import KEEP, ModelStore

from tests.world_model.synthetic import ahead_of, tent_log

NOW = datetime(2026, 6, 1, 0, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def log() -> HourlyLog:
    return tent_log(12)


@pytest.fixture(scope="module")
def taught(log: HourlyLog) -> WorldModel:
    model = WorldModel()
    for end in range(24, 10 * 24 + 1, 24):
        model.learn(log.until(end), ahead_of(log, end))
    return model


def test_a_model_stored_before_weather_had_a_record_of_its_own_restores(taught: WorldModel) -> None:
    arrays = {name: value for name, value in to_arrays(taught).items() if ".blend_without." not in name}
    copy = WorldModel()
    restore(copy, arrays)
    for name, one in copy.forecasters.items():
        assert np.array_equal(one.blend_without.error_sum, taught.forecasters[name].blend.error_sum)


def _as_stored_by_0_1(model: WorldModel) -> dict[str, np.ndarray]:
    """Without what came later: a second record of errors, bounds of ridges, one-sided intervals, ridges of the week."""
    later = (".blend_without.", ".reach.", ".only_", ".week", ".anomaly")
    return _with_fewer_experts(model, later, len(EXPERTS_OF_0_1))


def _with_fewer_experts(model: WorldModel, later: tuple[str, ...], few: int) -> dict[str, np.ndarray]:
    stored = {name: value for name, value in to_arrays(model).items() if not any(part in name for part in later)}
    by_expert = (".issued", ".error_sum", ".scored")
    return {n: v[:few] if n.startswith("forecaster.") and n.endswith(by_expert) else v for n, v in stored.items()}


def test_a_model_stored_by_0_1_restores_forecasts_and_learns_what_it_lacks(taught: WorldModel, log: HourlyLog) -> None:
    copy = WorldModel()
    restore(copy, _as_stored_by_0_1(taught))
    assert all(not one.reach.hours.any() for one in copy.forecasters.values())
    known, ahead = log.until(241), ahead_of(log, 241)
    assert failed_properties(copy, known) == ()
    new, old = slice(len(EXPERTS_OF_0_1), None), slice(0, len(EXPERTS_OF_0_1))
    for name, one in copy.forecasters.items():
        assert (one.blend.weights()[new] == 0.0).all() and np.isnan(one.issued[new]).all()
        assert np.array_equal(one.blend.error_sum[old], taught.forecasters[name].blend.error_sum[old])
    assert np.isfinite(copy.forecast(known, ahead).best("vpd_kpa")).all()
    copy.learn(log.until(264), ahead_of(log, 264))
    assert all(ridge.rows.all() for one in copy.forecasters.values() for ridge in one.week_ridges)
    again = WorldModel()
    restore(again, to_arrays(copy))
    assert again.fingerprint() == copy.fingerprint()


def test_a_model_stored_before_the_anomalies_restores_with_its_hash_and_learns_them(
    taught: WorldModel, log: HourlyLog
) -> None:
    stored = _with_fewer_experts(taught, (".anomaly",), len(EXPERTS_OF_0_2))
    copy = WorldModel()
    restore(copy, stored)
    new = slice(len(EXPERTS_OF_0_2), None)
    for one in copy.forecasters.values():
        assert (one.blend.weights()[new] == 0.0).all() and np.isnan(one.issued[new]).all()
    assert copy.fingerprint() != taught.fingerprint()
    assert copy.fingerprint() == _restored(stored).fingerprint()
    copy.learn(log.until(264), ahead_of(log, 264))
    pots = [one for one in copy.forecasters.values() if one.quantity.kind == "soil"]
    assert pots and all(ridge.rows.all() for one in pots for ridge in one.anomaly_ridges)


def _restored(stored: dict[str, np.ndarray]) -> WorldModel:
    model = WorldModel()
    restore(model, stored)
    return model


def _hash_of_0_1(model: WorldModel) -> str:
    """The hash as 0.1 computed it: one record of errors, weights by error ** -12 for every quantity."""
    digest = hashlib.sha256(repr(model.dynamics.coefficients()).encode())
    for one in model.forecasters.values():
        for ridge in (*one.ridges, *one.core_ridges):
            digest.update(ridge.beta.tobytes())
        few = slice(0, len(EXPERTS_OF_0_1))
        error_sum, scored = one.blend.error_sum[few], one.blend.scored[few]
        error = np.where(scored >= 20.0, error_sum / np.maximum(scored, 1e-9), np.inf)
        best = error.min(axis=0)
        known = np.isfinite(best)
        ratio = np.where(known, (error + 1e-9) / (np.where(known, best, 1.0) + 1e-9), np.inf)
        skill = np.where(known, ratio**-12.0, one.blend.prior[few, None])
        digest.update((skill / skill.sum(axis=0)).tobytes())
    return digest.hexdigest()[:16]


def test_a_model_stored_by_0_1_keeps_its_hash_and_is_not_called_damaged(taught: WorldModel) -> None:
    copy = WorldModel()
    restore(copy, _as_stored_by_0_1(taught))
    assert any(one.quantity.kind == "soil" and one.blend.scored.any() for one in copy.forecasters.values())
    assert copy.fingerprint() == _hash_of_0_1(taught)


def test_other_skills_without_weather_are_another_hash(taught: WorldModel) -> None:
    copy = clone(taught)
    before = copy.fingerprint()
    for one in copy.forecasters.values():
        one.blend_without.error_sum = (
            one.blend_without.error_sum * np.linspace(1.0, 2.0, len(one.blend_without.prior))[:, None]
        )
    copy.clear_caches()
    assert copy.fingerprint() != before


def test_a_model_restored_from_its_arrays_says_the_same(taught: WorldModel, log: HourlyLog) -> None:
    copy = WorldModel()
    restore(copy, to_arrays(taught))
    assert copy.fingerprint() == taught.fingerprint()
    one, two = (m.forecast(log.until(241), ahead_of(log, 241)) for m in (taught, copy))
    for name in one.series:
        assert np.array_equal(one.series[name], two.series[name], equal_nan=True)
    arrays = to_arrays(taught)
    arrays.pop("model.days_learned")
    with pytest.raises(ValueError, match="days_learned is missing"):
        restore(WorldModel(), arrays)


def test_a_better_candidate_wins_and_a_worse_one_does_not(taught: WorldModel, log: HourlyLog) -> None:
    green = WorldModel()
    green.learn(log.until(24))
    unseen = log.until(11 * 24)
    assert compare(green, taught, unseen).promoted
    refused = compare(taught, green, unseen)
    assert not refused.promoted and refused.ratio is not None and refused.ratio > 1.0
    assert "incumbent" in refused.why


def spoilable(model: WorldModel) -> WorldModel:
    """A copy whose arrays are its own, so that a test may write into them."""
    made = clone(model)
    restore(made, to_arrays(model))
    return made


def test_a_copy_shares_until_it_learns_and_then_changes_nobody_else(taught: WorldModel, log: HourlyLog) -> None:
    before = to_arrays(taught)
    copy = clone(taught)
    assert all(
        mine.gram is theirs.gram
        for mine, theirs in zip(taught.forecasters["vpd_kpa"].ridges, copy.forecasters["vpd_kpa"].ridges, strict=True)
    )
    with pytest.raises(ValueError, match="read-only"):
        copy.forecasters["vpd_kpa"].issued[:] = 0.0
    copy.learn(log.until(11 * 24), ahead_of(log, 11 * 24))
    apart = spoilable(taught)
    apart.learn(log.until(11 * 24), ahead_of(log, 11 * 24))
    assert copy.fingerprint() == apart.fingerprint() != taught.fingerprint()
    assert all(np.array_equal(value, before[name], equal_nan=True) for name, value in to_arrays(taught).items())


@pytest.mark.parametrize(("spoil", "word"), [("nan", "finite"), ("dries", "monotone")])
def test_a_candidate_that_breaks_a_constraint_is_never_active(
    taught: WorldModel, log: HourlyLog, spoil: str, word: str
) -> None:
    bad = spoilable(taught)
    if spoil == "nan":
        bad.issued_series["vpd_kpa"].intervals[1].below[:] = np.nan
    else:
        for soil in bad.dynamics.soil:
            soil.law.theta[6] = -1.0  # as if water dried the pot
    assert any(word in name for name in failed_properties(bad, log.until(11 * 24)))
    assert not compare(taught, bad, log.until(11 * 24)).promoted


def test_the_model_pair_promotes_by_night_and_keeps_predicting(log: HourlyLog) -> None:
    model_pair = ModelPair(WorldModel())
    verdicts = []
    for end in range(24, 11 * 24 + 1, 24):
        verdicts.append(model_pair.learn(log.until(end), ahead_of(log, end)))
        model_pair.predict(datetime(2026, 6, 1, tzinfo=UTC), log.until(end), ahead_of(log, end))
    assert [v.why for v in verdicts[:7]] == [f"day {d} of the first 7 learned" for d in range(1, 8)]
    assert all(v.ratio is not None for v in verdicts[7:])
    assert model_pair.active.days_learned <= model_pair.candidate.days_learned == 11


def test_the_model_before_speaks_again_when_the_new_one_disappoints(taught: WorldModel, log: HourlyLog) -> None:
    model_pair = ModelPair(clone(taught))
    spoilt = spoilable(taught)
    for one in spoilt.forecasters.values():
        for ridge in one.ridges:
            ridge.beta *= -3.0
        one.blend.error_sum[:] = 1.0
        one.blend.scored[:] = 100.0
    model_pair.before, model_pair.active = clone(taught), spoilt
    verdict = model_pair.learn(log.until(11 * 24), ahead_of(log, 11 * 24))
    assert verdict.rolled_back and not verdict.promoted
    assert verdict.why.startswith("rolled back")
    assert model_pair.active.fingerprint() == taught.fingerprint() and model_pair.before is None


def test_versions_are_verified_activated_and_rolled_back(taught: WorldModel, log: HourlyLog, tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    first = store.save(taught, log.until(240), NOW, "night 1")
    other = clone(taught)
    other.learn(log.until(264), ahead_of(log, 264))
    second = store.save(other, log.until(264), NOW, "night 2")
    assert store.active() is None and store.load_active() is None
    store.activate(first, NOW, "first")
    store.activate(second, NOW, "won")
    loaded = store.load_active()
    assert loaded is not None and loaded[0] == second and loaded[1].fingerprint() == other.fingerprint()
    manifest = store.manifest(second)
    assert manifest.data_to_ts > manifest.data_from_ts and manifest.days_learned == 11
    assert store.rollback(NOW, "regression") == first
    assert [c["what"] for c in store.changes()] == ["promoted", "promoted", "rolled_back"]
    with pytest.raises(TomatoError, match="no version before"):
        store.rollback(NOW, "again")


def test_a_damaged_version_never_speaks_and_the_one_before_it_does(
    taught: WorldModel, log: HourlyLog, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path)
    first, second = (store.save(taught, log, NOW) for _ in range(2))
    assert first != second
    store.activate(first, NOW, "a")
    store.activate(second, NOW, "b")
    body = bytearray((tmp_path / second / "model.npz").read_bytes())
    body[len(body) // 2] ^= 1
    (tmp_path / second / "model.npz").write_bytes(bytes(body))
    with pytest.raises(TomatoError, match="another hash"):
        store.verify(second)
    with pytest.raises(TomatoError, match="another hash"):
        store.activate(second, NOW, "again")
    loaded = store.load_active()
    assert loaded is not None and loaded[0] == first and loaded[1].fingerprint() == taught.fingerprint()
    (tmp_path / first / "manifest.json").write_text(json.dumps({"version": first}))
    assert store.load_active() is None
    with pytest.raises(TomatoError, match="no model version"):
        store.verify("nowhere")


def test_old_versions_go_the_active_one_stays(log: HourlyLog, tmp_path: Path) -> None:
    store, small = ModelStore(tmp_path), WorldModel()
    first = store.save(small, log, NOW)
    store.activate(first, NOW, "stays")
    for _ in range(KEEP + 3):
        store.save(small, log, NOW)
    names = [m.version for m in store.versions()]
    assert first in names and len(names) == KEEP + 1


def test_the_command_line_lists_promotes_and_rolls_back(
    taught: WorldModel, log: HourlyLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_cli.list_versions(tmp_path)
    assert "No model version" in capsys.readouterr().out
    store = ModelStore(tmp_path / "models")
    first, second = (store.save(taught, log, NOW) for _ in range(2))
    model_cli.promote(first, tmp_path)
    model_cli.promote(second, tmp_path)
    model_cli.list_versions(tmp_path)
    assert f"* {second}" in capsys.readouterr().out
    model_cli.rollback(tmp_path)
    model_cli.list_versions(tmp_path, json_out=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["active"] == first and told["changes"][-1]["what"] == "rolled_back"
