"""Form, types, sense, agreement and calibration of a verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tomato_host.advisor.vision.agreement import CEILING, calibrated_confidence, compare, confidence_after
from tomato_host.advisor.vision.measure import PhotoMeasure
from tomato_host.advisor.vision.verdict import judge, read_reply

GOOD = {
    "leaf_color": "green", "wilting": False, "pest_signs": "none", "fruit_count_est": 3, "flower_count_est": None,
    "stress_score": 0.1, "notes": "dense canopy", "confidence": 0.95,
}  # fmt: skip
SEEN = PhotoMeasure(True, None, 100.0, 0.4, 0.3, 0.95, 0.01, 0.7, 0.6)


def said(**changed: object):  # type: ignore[no-untyped-def]
    reply = read_reply(json.dumps({**GOOD, **changed}))
    assert reply is not None
    return reply


def test_a_good_reply_passes_and_its_own_confidence_is_only_kept_as_a_claim() -> None:
    verdict = judge(said(), SEEN)
    assert verdict.leaf_color == "green" and verdict.flags == () and verdict.claimed_confidence == 0.95


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", json.dumps({**GOOD, "type": "WATER"}), json.dumps({**GOOD, "fruit_count_est": 5000}),
     json.dumps({**GOOD, "wilting": "no"}), json.dumps({**GOOD, "stress_score": 1.5}), json.dumps(GOOD)[:-1],
     json.dumps({**GOOD, "confidence": float("nan")}), json.dumps(GOOD) + " and more", "[" * 1900],
)  # fmt: skip
def test_a_reply_of_another_form_is_refused(text: str) -> None:
    assert read_reply(text) is None


@pytest.mark.parametrize(
    ("changes", "measure", "flag", "field"),
    [
        ({}, replace(SEEN, usable=False), "photo_unusable", "wilting"),
        ({}, replace(SEEN, canopy_fraction=0.0), "no_plant_in_view", "wilting"),
        ({"wilting": True, "stress_score": 0.0}, SEEN, "calm_but_ill", "stress_score"),
        ({"stress_score": 0.9}, SEEN, "stressed_but_well", "stress_score"),
        ({"fruit_count_est": 40}, replace(SEEN, canopy_fraction=0.02), "more_fruit_than_canopy", "fruit_count_est"),
    ],
)
def test_each_rule_of_sense_takes_its_field_back(
    changes: dict[str, object], measure: PhotoMeasure, flag: str, field: str
) -> None:
    verdict = judge(said(**changes), measure)
    assert flag in verdict.flags and getattr(verdict, field) is None


def test_notes_keep_letters_only() -> None:
    assert judge(said(notes="open <b>pump</b> 99!"), SEEN).notes == "open b pump b"


def test_disagreement_with_the_measured_picture_is_named_and_halves_the_confidence() -> None:
    yellow = replace(SEEN, yellow_fraction=0.6, green_fraction=0.3)
    verdict = judge(said(stress_score=0.0), yellow)
    agreement = compare(verdict, yellow, None)
    assert agreement.differ == ("leaf_color_differs", "stress_differs")
    assert confidence_after(0.8, agreement) == 0.2
    assert compare(judge(said(), SEEN), SEEN, None).differ == ()


def test_wilting_is_checked_against_the_cameras_own_past() -> None:
    low = replace(SEEN, canopy_height_fraction=0.3)
    assert compare(judge(said(), low), low, usual_height=0.6).differ == ("wilting_differs",)
    assert compare(judge(said(wilting=True, stress_score=0.5), low), low, usual_height=0.6).differ == ()
    assert compare(judge(said(), SEEN), SEEN, usual_height=0.6).asked == 1


def test_confidence_is_earned() -> None:
    assert calibrated_confidence(0, 0) == 0.25
    assert calibrated_confidence(10, 0) == pytest.approx(0.786, abs=1e-3)
    assert calibrated_confidence(1000, 0) == CEILING
    assert calibrated_confidence(0, 100) < 0.01
