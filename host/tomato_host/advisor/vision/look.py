"""Looks at one photo twice: measures it, then asks the model, and sets the two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared_schemas.records import VisionCvV1, VisionV1
from shared_schemas.records.vision_v1 import ModelProvenance
from tomato_host.advisor.backends.chat import Backend, BackendFault, ChatReply, ChatRequest
from tomato_host.advisor.memory.store import Memory
from tomato_host.advisor.prompt_files import Prompt, grammar, prompt
from tomato_host.advisor.settings import AgentSettings
from tomato_host.advisor.vision.agreement import compare, confidence_after
from tomato_host.advisor.vision.calibration import calibrated_confidence
from tomato_host.advisor.vision.cameras import Photo
from tomato_host.advisor.vision.measure import BadPhoto, Measure, Pixels, measure_photo, open_photo
from tomato_host.advisor.vision.photo_files import photo_path, sha256_of, stripped_jpeg, suffix_of
from tomato_host.advisor.vision.verdict import Said, Verdict, judge, read_reply, unknown
from tomato_host.advisor.vision.words_in_photo import cover_writing
from tomato_host.advisor.whole_files import write_whole

ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What is needed for one look. `data_dir` None keeps no photo; `trouble` is appended to."""

    ts: datetime
    settings: AgentSettings
    data_dir: Path | None
    backend: Backend
    memory: Memory
    trouble: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's reply that passed the first two gates, or none; `attempts` counts questions asked."""

    said: Said | None
    reply: ChatReply | None
    seed: int
    attempts: int
    fault: str | None = None


def look_at(photo: Photo, look: Look) -> Iterator[VisionCvV1 | VisionV1]:
    """The measured record, then the model's. The second one is there even when all it says is 'unknown'."""
    digest = sha256_of(photo.data)
    try:
        pixels: Pixels | None = open_photo(photo.data)
        measure = measure_photo(pixels) if pixels is not None else Measure(False, "no picture", 0.0, 0.0)
    except BadPhoto as fault:
        pixels, measure = None, Measure(False, f"cannot be opened: {fault}", 0.0, 0.0)
    if look.data_dir is not None and look.settings.keep_photos:
        write_whole(photo_path(look.data_dir, look.ts, photo.source, digest, suffix_of(photo.data)), photo.data)
    yield measured_record(photo.source, digest, measure, look.ts)
    yield _judged_record(photo.source, digest, pixels, measure, look)


def measured_record(source: str, digest: str, measure: Measure, ts: datetime) -> VisionCvV1:
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


def _judged_record(source: str, digest: str, pixels: Pixels | None, measure: Measure, look: Look) -> VisionV1:
    page = prompt("vision")
    if pixels is None or not measure.usable:
        return _record(source, digest, unknown("photo_unusable"), 0.0, None, look)
    if not look.backend.sees:
        return _record(source, digest, unknown("no_vision_model"), 0.0, None, look)
    writing = cover_writing(pixels)
    answer = _ask(page, stripped_jpeg(writing.covered), look)
    if answer.fault is not None:
        look.trouble.append(answer.fault)
    provenance = _provenance(page, answer, look)
    if answer.said is None:
        closed = unknown("model_failed" if answer.fault else "reply_refused")
        return _record(source, digest, closed, 0.0, provenance, look)
    verdict = judge(answer.said, measure)
    confidence, flags = _trust(verdict, measure, source, page, look)
    extra = ("writing_in_photo",) if writing.words else ()
    return _record(source, digest, verdict, confidence, provenance, look, (*flags, *extra))


def _ask(page: Prompt, jpeg: bytes, look: Look) -> Answer:
    """One question, one more when the form was wrong; then the gate stays closed."""
    settings = look.settings
    seed = settings.seed
    for attempt in range(1, ATTEMPTS + 1):
        seed = settings.seed + attempt - 1
        request = ChatRequest(
            instructions=page.instructions,
            question=page.ask(),
            grammar=grammar(page.grammar_name).text,
            json_schema=Said.model_json_schema(),
            max_tokens=settings.vision_max_tokens,
            seed=seed,
            temperature=settings.temperature,
            deadline_s=settings.wake_deadline_s,
            photo_jpeg=jpeg,
        )
        try:
            reply = look.backend.chat(request)
        except BackendFault as fault:
            return Answer(None, None, seed, attempt, str(fault)[:160])
        said = read_reply(reply.text)
        if said is not None:
            return Answer(said, reply, seed, attempt)
    return Answer(None, None, seed, ATTEMPTS)


def _trust(verdict: Verdict, measure: Measure, source: str, page: Prompt, look: Look) -> tuple[float, tuple[str, ...]]:
    """Confidence from this model's history, lowered by disagreement; the check joins the history afterwards."""
    if verdict.is_unknown:
        return 0.0, ()
    model = look.backend.model_hash
    agreement = compare(verdict, measure, look.memory.usual_height(source))
    base = calibrated_confidence(*look.memory.checks(model, page.sha256))
    if agreement.asked:
        look.memory.note_check(look.ts, model, page.sha256, agreement.agreed, len(agreement.differ))
    return confidence_after(base, agreement), agreement.differ


def _provenance(page: Prompt, answer: Answer, look: Look) -> ModelProvenance:
    reply = answer.reply
    return ModelProvenance(
        model_hash=look.backend.model_hash,
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
    verdict: Verdict,
    confidence: float,
    provenance: ModelProvenance | None,
    look: Look,
    flags: tuple[str, ...] = (),
) -> VisionV1:
    return VisionV1(
        schema_version="vision_v1",
        ts=look.ts,
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
