"""What the advisor costs: measuring a photo, waking and polling, cancelling, and the tiny and the small model."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the tiny model and the drawn plants belong to the tests

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from tomato_host.advisor import checkup  # noqa: E402
from tomato_host.advisor.advisor import Advisor  # noqa: E402
from tomato_host.advisor.backends.local import LocalModel  # noqa: E402
from tomato_host.advisor.context import WakeContext  # noqa: E402
from tomato_host.advisor.evaluation.cancel_trials import cancel_times_s, p95  # noqa: E402
from tomato_host.advisor.settings import AdvisorSettings  # noqa: E402
from tomato_host.advisor.vision.measure import canopy_mask, measure_photo, open_photo  # noqa: E402

from tests.advisor.fetched import FOLDER  # noqa: E402
from tests.advisor.pictures import plant  # noqa: E402
from tests.advisor.tiny_vlm import write_tiny_vlm  # noqa: E402

TITLE = "Advisor: photo, loop, cancel, models"


def run(quick: bool) -> dict[str, object]:
    """Plain figures. The real small model is measured when `make test-llm` has fetched it."""
    figures: dict[str, object] = {"photo": _photo(), "deciding_loop": _loop(200 if quick else 2_000)}
    with _tiny_model() as settings:
        figures["tiny_vlm"] = _model(settings, 2 if quick else 10)
        figures["cancel_generating"] = _cancel(settings, 3 if quick else 50, 1.0)
    small = next(iter(FOLDER.rglob("SmolLM2*.gguf")), None)
    if small is not None:
        settings = AdvisorSettings(backend="local", model_path=small, text_max_tokens=1024)
        figures["smollm2_135m"] = _model(settings, 1 if quick else 5)
        if not quick:
            figures["cancel_smollm2"] = _cancel(settings, 50, 2.5)
    return figures


def _photo() -> dict[str, float | None]:
    pixels = plant(1, size=1000)
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    return {
        "decode_megapixel_ms": _best_ms(lambda: open_photo(jpeg)),
        "measure_megapixel_ms": _best_ms(lambda: measure_photo(pixels)),
        "canopy_iou_arabidopsis_worst": _worst_iou(),
    }


def _worst_iou() -> float | None:
    """On the two hand-drawn rosettes, when the tests have fetched them."""
    worst = None
    for drawn in FOLDER.rglob("aberystwyth/*_gt.png"):
        photo = drawn.with_name(drawn.name.replace("_gt", ""))
        mask = canopy_mask(open_photo(photo.read_bytes())) > 0
        truth = np.asarray(cv2.imread(str(drawn))).max(axis=2) > 0
        iou = float(np.logical_and(mask, truth).sum() / np.logical_or(mask, truth).sum())
        worst = iou if worst is None else min(worst, iou)
    return worst


def _loop(calls: int) -> dict[str, float]:
    """Processor time of the calls that the deciding loop makes, in microseconds."""
    advisor = Advisor(AdvisorSettings(keep_loaded=True))
    try:
        context = WakeContext(wake_id="bench", ts=datetime.now(UTC), tasks=("summary",))
        wake_us = _spent_us(lambda: advisor.wake(context), 1)
        poll_us = _spent_us(advisor.poll, calls)
        cancel_us = _spent_us(lambda: advisor.cancel("bench"), 1)
        return {"wake_us": wake_us, "poll_us": poll_us, "cancel_us": cancel_us}
    finally:
        advisor.close()


def _model(settings: AdvisorSettings, rounds: int) -> dict[str, object]:
    model = LocalModel(settings)
    try:
        started = time.monotonic()
        timings = checkup.bench(model, settings, rounds)
        figures: dict[str, object] = {"load_s": model.loaded_s, "all_s": time.monotonic() - started}
        for what in dict.fromkeys(t.what for t in timings):
            last = [t for t in timings if t.what == what][-1]
            name = what.replace(" ", "_")
            figures[f"{name}_first_token_s"] = last.first_token_s
            figures[f"{name}_s"] = last.total_s
            figures[f"{name}_read_tok_per_s"] = last.prompt_per_s
            figures[f"{name}_write_tok_per_s"] = last.written_per_s
        return figures
    finally:
        model.close()


def _cancel(settings: AdvisorSettings, trials: int, pause_s: float) -> dict[str, object]:
    times = cancel_times_s(settings, trials, pause_s)
    return {"caught": len(times), "p50_ms": _ms(times[len(times) // 2] if times else None), "p95_ms": _ms(p95(times))}


@contextmanager
def _tiny_model() -> Iterator[AdvisorSettings]:
    with tempfile.TemporaryDirectory() as folder:
        weights, projector = write_tiny_vlm(Path(folder))
        yield AdvisorSettings(
            backend="local", model_path=weights, projector_path=projector, image_tokens_max=16, temperature=1.0,
            text_max_tokens=1024, context_tokens=2048,
        )  # fmt: skip


def _best_ms(call: Callable[[], object], rounds: int = 7) -> float:
    return min(_spent_us(call, 1) for _ in range(rounds)) / 1e3


def _spent_us(call: Callable[[], object], calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        call()
    return (time.thread_time() - started) / calls * 1e6


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


if __name__ == "__main__":
    import json

    print(json.dumps(run("--quick" in sys.argv), indent=1))
