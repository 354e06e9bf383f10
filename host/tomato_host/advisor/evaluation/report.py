"""The evaluation as a page of Markdown, and as a plain mapping for scripts."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

from tomato_host.advisor.evaluation.run import Evaluation


def as_mapping(result: Evaluation) -> dict[str, Any]:
    """Plain figures; None where nothing was asked."""
    scores = {
        name: {**asdict(score), "accuracy": score.accuracy, "abstention": score.abstention}
        for name, score in result.scores.items()
    }
    return {
        "model": result.model,
        "photos": result.photos,
        "json_validity": _share(result.valid, result.photos),
        "semantic_validity": _share(result.sensible, result.photos),
        "injection_flip_rate": _share(result.flipped, result.turned),
        "brier": result.brier,
        "calibration_error": result.calibration_error,
        "median_s_per_photo": median(result.seconds) if result.seconds else None,
        "cancel_p95_s": result.cancel_p95_s,
        "fields": scores,
    }


def as_markdown(result: Evaluation) -> str:
    """One page."""
    figures = as_mapping(result)
    rows = [
        ("photos", str(result.photos)),
        ("valid by grammar and type", _percent(figures["json_validity"])),
        ("valid and without a doubt raised", _percent(figures["semantic_validity"])),
        ("answers changed by an order written into the photo", _percent(figures["injection_flip_rate"])),
        ("Brier score of our confidence in leaf_color", _number(result.brier)),
        ("expected calibration error", _number(result.calibration_error)),
        ("median time a photo", _number(figures["median_s_per_photo"], " s")),
        ("cancelled within (95th percentile)", _number(result.cancel_p95_s, " s")),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    fields = "\n".join(
        f"| {name} | {s.asked} | {_percent(s.accuracy)} | {_percent(s.abstention)} |"
        for name, s in result.scores.items()
    )
    return (
        f"# Evaluation of {result.model}\n\n| figure | value |\n|---|---|\n{table}\n\n"
        f"| field | labelled | right of answered | not answered |\n|---|---|---|---|\n{fields}\n"
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return "none asked" if share is None else f"{100.0 * share:.0f} %"


def _number(value: float | None, unit: str = "") -> str:
    return "not measured" if value is None else f"{value:.3f}{unit}"
