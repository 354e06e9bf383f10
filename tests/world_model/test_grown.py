"""Grown blocks: nothing changes without an earned share; a share is earned by skill and by the promotion gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from tomato_host.brain.world_model import promotion
from tomato_host.brain.world_model.data import Forecast, HourlyLog, ModelShape, tent_quantities
from tomato_host.brain.world_model.grown import ENOUGH_DAYS, SHARE, GrownExpert, GrownExperts
from tomato_host.brain.world_model.grown_block import block_from_arrays, correction
from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.promotion import ModelPair, PromotionVerdict, judge_grown

from tests.world_model.blocks import Arrays, network_arrays, tree_arrays, tree_block
from tests.world_model.synthetic import tent_log

NOW = datetime(2026, 6, 1, 0, 10, tzinfo=UTC)
HORIZONS = np.array([1, 6, 24], dtype=np.int64)


@pytest.fixture(scope="module")
def log() -> HourlyLog:
    return tent_log(9)


@pytest.fixture
def model(log: HourlyLog) -> WorldModel:
    one = WorldModel(ModelShape(quantities=tent_quantities()))
    for day in range(1, 4):
        one.learn(log.until(day * 24))
    return one


def as_bytes(forecast: Forecast) -> bytes:
    return b"".join(forecast.series[name].tobytes() for name in sorted(forecast.series))


def test_a_block_without_a_share_changes_no_byte(model: WorldModel, log: HourlyLog) -> None:
    known = log.until(96)
    plain, record, identity = as_bytes(model.forecast(known)), model.predict(NOW, known).to_json(), model.facts()
    pair = ModelPair(model)
    pair.offer(tree_block(), live=True)
    assert as_bytes(model.forecast(known)) == plain
    assert model.predict(NOW, known).to_json() == record and model.facts() == identity
    assert model.grown is not None
    model.grown.by_quantity["vpd_kpa"].share = SHARE
    assert as_bytes(model.forecast(known)) != plain and model.facts() != identity, "the share is what changes it"
    pair.withdraw("vpd_kpa")
    assert model.grown is None and as_bytes(model.forecast(known)) == plain


def test_a_share_adds_a_quarter_of_the_correction_to_its_quantity_and_humidity_alone(
    model: WorldModel, log: HourlyLog
) -> None:
    known = log.until(96)
    plain = model.forecast(known)
    model.grown = GrownExperts(model.horizons)
    model.grown.offer(tree_block(constant=0.5), live=True)
    model.grown.by_quantity["vpd_kpa"].share = SHARE
    moved = model.forecast(known)
    difference = moved.series["vpd_kpa"][0, 1] - plain.series["vpd_kpa"][0, 1]
    assert difference == pytest.approx(np.full(difference.shape, SHARE * 0.5 * 0.1))
    assert (moved.series["rh_pct"][0, 1] != plain.series["rh_pct"][0, 1]).all(), "derived from the corrected deficit"
    for name in set(plain.series) - {"vpd_kpa", "rh_pct"}:
        assert moved.series[name].tobytes() == plain.series[name].tobytes(), name


def judged(truth: float, days: int, correction: float = 1.0) -> GrownExpert:
    """An expert whose blend is 0, judged on days that all measured `truth`."""
    expert = GrownExpert(tree_block(), HORIZONS, live=True)
    for day in range(days):
        hours = 490_000 + np.arange(24 * day, 24 * day + 24)
        expert.record_issued(np.stack((np.zeros((24, 3)), np.full((24, 3), correction))), hours)
        origins = hours[:, None] - HORIZONS
        expert.score(np.full((24, 3), truth), origins)
    return expert


def test_the_record_counts_what_was_issued_and_only_that() -> None:
    skill = judged(1.0, 12).skill()
    assert skill.ratio == pytest.approx(1.0 - SHARE) and skill.enough and skill.days == 12
    assert skill.origins == 12 * 24 - 24, "a 24 h forecast of the first day was never issued"
    assert skill.error_without == pytest.approx(1.0) and skill.error_with == pytest.approx(0.75)
    assert judged(-1.0, 12).skill().ratio == pytest.approx(1.0 + SHARE)
    assert not judged(1.0, ENOUGH_DAYS - 1).skill().enough
    assert not GrownExpert(tree_block(), HORIZONS, True).skill().enough


Judge = Callable[[GrownExpert], list[promotion.ShareChange]]


@pytest.fixture
def judge(model: WorldModel, log: HourlyLog, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Judge an expert with the gate open; the model is a real one."""

    def run(expert: GrownExpert) -> list[promotion.ShareChange]:
        expert.block = tree_block()
        model.grown = GrownExperts(HORIZONS)
        model.grown.by_quantity["vpd_kpa"] = expert
        monkeypatch.setattr(model.grown, "score", lambda padded, targets: None)
        return judge_grown(model, log.until(96))

    monkeypatch.setattr(promotion, "compare", lambda *args: PromotionVerdict(True, "wins", 0.9))
    return run


def test_skill_brings_the_share_and_its_loss_takes_it(judge: Judge) -> None:
    expert = judged(1.0, 12)
    assert [change.share for change in judge(expert)] == [SHARE] and expert.share == SHARE
    assert judge(expert) == []
    expert.judged = judged(-1.0, 12).judged
    assert [change.share for change in judge(expert)] == [0.0] and expert.share == 0.0


def test_the_promotion_gate_has_the_last_say(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def refuse(without: WorldModel, with_block: WorldModel, log: HourlyLog) -> PromotionVerdict:
        shares = [one.grown.by_quantity["vpd_kpa"].share for one in (without, with_block) if one.grown]
        asked.append((shares[0], shares[1]))
        return PromotionVerdict(False, "the candidate breaks: finite vpd_kpa", failed=("finite vpd_kpa",))

    monkeypatch.setattr(promotion, "compare", refuse)
    expert = judged(1.0, 12)
    assert judge(expert) == [] and expert.share == 0.0
    assert asked == [(0.0, SHARE)], "the same model without the block and with its share"


@pytest.mark.parametrize("days", [0, ENOUGH_DAYS - 1])
def test_too_few_days_bring_no_share(judge: Judge, days: int) -> None:
    assert judge(judged(1.0, days)) == []


def test_a_block_in_the_shadow_stays_there(judge: Judge) -> None:
    expert = judged(1.0, 12)
    expert.live = False
    assert judge(expert) == [] and expert.share == 0.0


def test_a_new_block_goes_on_with_the_record_unless_it_corrects_another_regime() -> None:
    grown = GrownExperts(HORIZONS)
    grown.by_quantity["vpd_kpa"] = judged(1.0, 12)
    grown.by_quantity["vpd_kpa"].share = SHARE
    grown.offer(tree_block(constant=0.1), live=True)
    assert grown.by_quantity["vpd_kpa"].share == SHARE and grown.by_quantity["vpd_kpa"].skill().enough
    grown.offer(tree_block(constant=0.1), live=False)
    assert grown.by_quantity["vpd_kpa"].share == 0.0 and grown.by_quantity["vpd_kpa"].skill().enough
    grown.offer(tree_block(weather=True), live=True)
    assert not grown.by_quantity["vpd_kpa"].skill().enough


def test_both_kinds_give_what_their_formula_says_and_never_more_than_two_typical_errors() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3, len(FEATURES)))
    arrays = network_arrays()
    arrays |= {"w1": rng.normal(size=arrays["w1"].shape), "w2": rng.normal(size=4), "mean": x.mean(axis=(0, 1))}
    network = block_from_arrays("a", "network", False, arrays, "0" * 64)
    hidden = np.tanh(((x - arrays["mean"]) / arrays["scale"]) @ arrays["w1"] + arrays["b1"])
    expected = np.clip(hidden @ arrays["w2"] + 0.5, -2.0, 2.0) * 0.1
    assert correction(network, x, HORIZONS) == pytest.approx(expected)
    trees = tree_arrays() | {"leaf": np.arange(8.0)[None] / 8.0, "feature": np.array([[0.0, 1.0, 2.0]])}
    leaf = ((x[..., :3] >= 0.0) * np.array([4, 2, 1])).sum(axis=2)
    assert correction(block_from_arrays("a", "trees", False, trees, ""), x, HORIZONS) == pytest.approx(leaf / 80.0)
    huge = block_from_arrays("a", "trees", False, tree_arrays(1e5), "")
    assert correction(huge, x, HORIZONS) == pytest.approx(np.full((5, 3), 0.2))


BAD: dict[str, tuple[str, Arrays]] = {
    "NaN": ("trees", tree_arrays() | {"leaf": np.full((1, 8), np.nan)}),
    "infinite": ("network", network_arrays() | {"b2": np.array(np.inf)}),
    "huge": ("trees", tree_arrays() | {"threshold": np.full((1, 3), 1e7)}),
    "wrong shape": ("trees", tree_arrays() | {"leaf": np.zeros((1, 7))}),
    "wrong type": ("trees", tree_arrays() | {"leaf": np.zeros((1, 8), dtype=np.float32)}),
    "feature unknown": ("trees", tree_arrays() | {"feature": np.full((1, 3), float(len(FEATURES)))}),
    "feature between": ("trees", tree_arrays() | {"feature": np.full((1, 3), 0.5)}),
    "too many trees": ("trees", tree_arrays() | {"feature": np.zeros((201, 3))}),
    "too deep": ("trees", tree_arrays() | {"feature": np.zeros((1, 7))}),
    "too wide": ("network", network_arrays(width=65)),
    "no scale": ("network", network_arrays() | {"scale": np.zeros(len(FEATURES))}),
    "typical zero": ("trees", tree_arrays(typical=0.0)),
    "more than a block": ("trees", tree_arrays() | {"more": np.zeros(1)}),
    "less than a block": ("trees", {"leaf": np.zeros((1, 8))}),
    "another kind": ("pickle", tree_arrays()),
}


@pytest.mark.parametrize("name", BAD)
def test_a_poisoned_block_is_refused(name: str) -> None:
    kind, arrays = BAD[name]
    with pytest.raises(ValueError):
        block_from_arrays("vpd_kpa", kind, False, arrays, "")


def _record(gain: np.ndarray, days: int = 14) -> GrownExpert:
    """An expert whose blend errs by 1 on every day and, with the block, by `gain` [days, H] less."""
    expert = GrownExpert(tree_block(), HORIZONS, live=True)
    count = np.full((days, 3), 24.0)
    without = count * 1.0
    expert.judged = np.zeros_like(expert.judged)
    expert.judged[-days:] = np.stack((without, without - count * gain[-days:], count), axis=1)
    return expert


def test_a_share_counts_only_at_horizons_that_prove_a_gain(judge: Judge, model: WorldModel, log: HourlyLog) -> None:
    """At 6 h the record is half luck, at 24 h a loss; their mean over horizons is still a gain."""
    rng = np.random.default_rng(0)
    luck = rng.normal(size=14)
    luck -= luck.mean()
    gain = np.stack((0.2 + 0.05 * luck, 0.01 + 0.2 * luck, -0.02 + 0.01 * luck), axis=1)
    expert = _record(gain)
    assert expert.skill().ratio < 1.0
    assert [change.share for change in judge(expert)] == [SHARE]
    assert expert.earning.tolist() == [1.0, 0.0, 0.0]
    corrected = GrownExperts(HORIZONS)
    corrected.by_quantity["vpd_kpa"] = expert
    plain = {"vpd_kpa": np.zeros((2, 1, 3))}
    moved = corrected.corrected(plain, {"vpd_kpa": np.ones((2, 1, 3))})["vpd_kpa"]
    assert moved[1].tolist() == [[SHARE, 0.0, 0.0]]
    before = corrected.identity("0")
    expert.earning = np.array([1.0, 0.5, 0.0])
    moved = corrected.corrected(plain, {"vpd_kpa": np.ones((2, 1, 3))})["vpd_kpa"]
    assert moved[1].tolist() == [[SHARE, 0.5 * SHARE, 0.0]], "half proven, half the share"
    assert corrected.identity("0") != before, "another forecast is another identity"


def test_the_surer_the_gain_the_more_of_the_share_counts() -> None:
    luck = np.random.default_rng(3).normal(size=14)
    luck = (luck - luck.mean()) / luck.std(ddof=1) * np.sqrt(14.0) * 0.01
    sure = [_record((k * 0.01 + luck)[:, None] * np.ones((14, 3))).proven()[0] for k in (-3.0, 1.9, 2.5, 3.0, 4.1)]
    assert sure == pytest.approx([0.0, 0.0, 0.25, 0.5, 1.0])


def test_a_gain_of_one_wild_day_proves_nothing_and_a_loss_on_it_disproves_nothing() -> None:
    steady = np.full((14, 3), 0.02) + np.random.default_rng(1).normal(0.0, 0.005, (14, 3))
    assert _record(steady).proven().all()
    wild = _record(np.where(np.arange(14)[:, None] == 5, 0.0, -0.01) * np.ones((14, 3)))
    wild.judged[5] = np.array([24.0 * 80.0, 24.0 * 60.0, 24.0])[:, None]
    assert wild.skill().ratio < 1.0 and not wild.proven().any(), "fifty points on one day outvote no fortnight"
    lost = _record(steady)
    lost.judged[5] = np.array([24.0 * 80.0, 24.0 * 80.4, 24.0])[:, None]
    assert lost.proven().all(), "counted as two usual days, half a percent is little"


def test_too_few_days_prove_nothing() -> None:
    assert not _record(np.full((9, 3), 0.2), days=9).proven().any()
    assert _record(np.full((10, 3), 0.2), days=10).proven().all()


def test_the_luckiest_of_many_blocks_without_a_gain_seldom_proves_one() -> None:
    """Blocks that help by chance alone, at three horizons each: hardly one may count, and none of them in full."""
    rng = np.random.default_rng(2)
    shares = np.array([_record(rng.normal(0.0, 0.02, (14, 3))).proven() for _ in range(1_000)])
    assert (shares.max(axis=1) >= 0.5).mean() <= 0.025 and shares.mean() <= 0.01
