"""Reviews one photo twice: measures it, then asks the model, and compares the two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared_schemas.records import VisionCvV1, VisionV1
from shared_schemas.records.vision_v1 import ModelProvenance
from tomato_host.advisor.backends.chat import Backend, BackendFault, ChatReply, ChatRequest
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.prompt_files import PromptFile, grammar, prompt
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.vision.agreement import calibrated_confidence, compare, confidence_after
from tomato_host.advisor.vision.cameras import Photo
from tomato_host.advisor.vision.measure import PhotoMeasure, Pixels, UnreadablePhoto, measure_photo, open_photo
from tomato_host.advisor.vision.photo_files import cover_writing, photo_path, sha256_of, stripped_jpeg, suffix_of
from tomato_host.advisor.vision.verdict import PhotoVerdict, VisionReply, judge, read_reply, unknown
from tomato_host.atomic_file import replace_file

ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class PhotoReview:
    """What is needed for one review. `data_dir` None keeps no photo; `problems` is appended to."""

    ts: datetime
    settings: AdvisorSettings
    data_dir: Path | None
    backend: Backend
    memory: MemoryStore
    problems: list[str]


@dataclass(frozen=True, slots=True)
class VisionAnswer:
    """The model's reply that passed the first two gates, or none; `attempts` counts questions asked."""

    reply_fields: VisionReply | None
    reply: ChatReply | None
    seed: int
    attempts: int
    fault: str | None = None


def review_photo(photo: Photo, review: PhotoReview) -> Iterator[VisionCvV1 | VisionV1]:
    """The measured record, then the model's. The second one comes even when its verdict is 'unknown'."""
    digest = sha256_of(photo.data)
    try:
        pixels: Pixels | None = open_photo(photo.data)
        measure = measure_photo(pixels) if pixels is not None else PhotoMeasure(False, "no picture", 0.0, 0.0)
    except UnreadablePhoto as fault:
        pixels, measure = None, PhotoMeasure(False, f"cannot be opened: {fault}", 0.0, 0.0)
    if review.data_dir is not None and review.settings.keep_photos:
        path = photo_path(review.data_dir, review.ts, photo.source, digest, suffix_of(photo.data))
        replace_file(path, photo.data, parents=True)
    yield measured_record(photo.source, digest, measure, review.ts)
    yield _judged_record(photo.source, digest, pixels, measure, review)


def measured_record(source: str, digest: str, measure: PhotoMeasure, ts: datetime) -> VisionCvV1:
    """The record of the deterministic measure."""
    return VisionCvV1(
        schema_version="vision_cv_v1",
        ts=ts,
        source=source,
        canopy_fraction=measure.canopy_fraction,
        green_fraction=measure.green_fraction,
        yellow_fraction=measure.yellow_fraction,
        solidity=measure.solidity,
        canopy_height_fraction=measure.canopy_height_fraction,
        sharpness=measure.sharpness,
        exposure_mean=measure.exposure_mean,
        usable=measure.usable,
        why_unusable=measure.why_unusable,
        image_sha256=digest,
    )


def _judged_record(
    source: str, digest: str, pixels: Pixels | None, measure: PhotoMeasure, review: PhotoReview
) -> VisionV1:
    page = prompt("vision")
    if pixels is None or not measure.usable:
        return _record(source, digest, unknown("photo_unusable"), 0.0, None, review)
    if not review.backend.sees:
        return _record(source, digest, unknown("no_vision_model"), 0.0, None, review)
    writing = cover_writing(pixels)
    answer = _ask(page, stripped_jpeg(writing.covered), review)
    if answer.fault is not None:
        review.problems.append(answer.fault)
    provenance = _provenance(page, answer, review)
    if answer.reply_fields is None:
        closed = unknown("model_failed" if answer.fault else "reply_refused")
        return _record(source, digest, closed, 0.0, provenance, review)
    verdict = judge(answer.reply_fields, measure)
    confidence, flags = _confidence(verdict, measure, source, page, review)
    extra = ("writing_in_photo",) if writing.words else ()
    return _record(source, digest, verdict, confidence, provenance, review, (*flags, *extra))


def _ask(page: PromptFile, jpeg: bytes, review: PhotoReview) -> VisionAnswer:
    """One question, one more when the form was wrong; then the verdict is 'unknown'."""
    settings = review.settings
    seed = settings.seed
    for attempt in range(1, ATTEMPTS + 1):
        seed = settings.seed + attempt - 1
        request = ChatRequest(
            instructions=page.instructions,
            question=page.ask(),
            grammar=grammar(page.grammar_name).text,
            json_schema=VisionReply.model_json_schema(),
            max_tokens=settings.vision_max_tokens,
            seed=seed,
            temperature=settings.temperature,
            deadline_s=settings.wake_deadline_s,
            photo_jpeg=jpeg,
        )
        try:
            reply = review.backend.chat(request)
        except BackendFault as fault:
            return VisionAnswer(None, None, seed, attempt, str(fault)[:160])
        fields = read_reply(reply.text)
        if fields is not None:
            return VisionAnswer(fields, reply, seed, attempt)
    return VisionAnswer(None, None, seed, ATTEMPTS)


def _confidence(
    verdict: PhotoVerdict, measure: PhotoMeasure, source: str, page: PromptFile, review: PhotoReview
) -> tuple[float, tuple[str, ...]]:
    """Confidence from this model's history, lowered by disagreement; the check joins the history afterwards."""
    if verdict.is_unknown:
        return 0.0, ()
    model = review.backend.model_hash
    agreement = compare(verdict, measure, review.memory.usual_height(source))
    base = calibrated_confidence(*review.memory.checks(model, page.sha256))
    if agreement.asked:
        review.memory.add_check(review.ts, model, page.sha256, agreement.agreed, len(agreement.differ))
    return confidence_after(base, agreement), agreement.differ


def _provenance(page: PromptFile, answer: VisionAnswer, review: PhotoReview) -> ModelProvenance:
    reply = answer.reply
    return ModelProvenance(
        model_hash=review.backend.model_hash,
        prompt_hash=page.sha256,
        grammar_hash=grammar(page.grammar_name).sha256,
        runtime=reply.runtime if reply else "",
        seed=answer.seed,
        prompt_tokens=reply.prompt_tokens if reply else None,
        completion_tokens=reply.completion_tokens if reply else None,
        duration_s=reply.duration_s if reply else None,
        first_token_s=reply.first_token_s if reply else None,
        prompt=f"{page.name}@{page.version}",
        attempts=answer.attempts,
    )


def _record(
    source: str,
    digest: str,
    verdict: PhotoVerdict,
    confidence: float,
    provenance: ModelProvenance | None,
    review: PhotoReview,
    flags: tuple[str, ...] = (),
) -> VisionV1:
    return VisionV1(
        schema_version="vision_v1",
        ts=review.ts,
        leaf_color=verdict.leaf_color,
        wilting=verdict.wilting,
        pest_signs=verdict.pest_signs,
        fruit_count_est=verdict.fruit_count_est,
        flower_count_est=verdict.flower_count_est,
        stress_score=verdict.stress_score,
        notes=verdict.notes,
        confidence=0.0 if verdict.is_unknown else confidence,
        source=source,
        image_sha256=digest,
        model_confidence=verdict.claimed_confidence,
        flags=(*verdict.flags, *flags),
        provenance=provenance,
    )
