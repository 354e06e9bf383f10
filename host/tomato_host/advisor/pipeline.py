"""One wake cycle of the advisor: photo, measurement, verdict, texts, memory. Yields records as they become ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from shared_schemas.records import EventV1, Record, VisionCvV1, VisionV1
from tomato_host.advisor.advisor_agent import ADVISOR
from tomato_host.advisor.backends.chat import Backend, NoBackend
from tomato_host.advisor.chronicle import write_chronicle
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.prompt_files import grammar
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.text.facts import Fact, cycle_facts, day_facts
from tomato_host.advisor.text.prose import ProseResult, write_prose
from tomato_host.advisor.vision.cameras import Photo, PhotoUnavailable, take_photo

SEASON_FACT_LIFE = timedelta(days=2)

TEXT_TASKS = ("summary", "explanation", "hypothesis", "chronicle")


@dataclass(slots=True)
class WakeResources:
    """What a wake cycle works with. `problems` collects what the model did wrong, for the circuit breaker."""

    settings: AdvisorSettings
    data_dir: Path | None
    backend: Backend
    memory: MemoryStore
    camera: Callable[..., Photo] = take_photo
    problems: list[str] = field(default_factory=list)


def run_wake(context: WakeContext, resources: WakeResources) -> Iterator[Record]:
    """The whole cycle. Nothing here has access to an output, the board or the guardrails: only records can come out."""
    if "vision" in context.tasks:
        yield from _vision(context, resources)
    for task in TEXT_TASKS:
        if task in context.tasks and _has_facts(task, context):
            if resources.problems:
                resources.backend = NoBackend()  # a model that just failed is not asked again in the same cycle
            yield _text(task, context, resources)


def _has_facts(task: str, context: WakeContext) -> bool:
    """A hypothesis needs something to explain, a chronicle needs a day."""
    if task == "hypothesis":
        return bool(context.anomalies)
    return context.day is not None if task == "chronicle" else True


def _vision(context: WakeContext, resources: WakeResources) -> Iterator[Record]:
    if not resources.settings.cameras:
        return
    try:
        # OpenCV is an extra; the rest of the advisor does without.
        from tomato_host.advisor.vision.photo_review import PhotoReview, review_photo
    except ImportError:
        yield _warning(context, "camera_extra_missing", "Photos need OpenCV: pip install '.[camera]'")
        return
    look = PhotoReview(
        context.ts, resources.settings, resources.data_dir, resources.backend, resources.memory, resources.problems
    )
    for camera in resources.settings.cameras[: resources.settings.photos_per_wake]:
        try:
            photo = resources.camera(camera)
        except PhotoUnavailable as fault:
            yield _warning(context, "photo_missing", str(fault)[:300])
            continue
        for record in review_photo(photo, look):
            _store_vision(context, resources, record)
            yield record


def _store_vision(context: WakeContext, resources: WakeResources, record: VisionV1 | VisionCvV1) -> None:
    if isinstance(record, VisionV1):
        text = f"{record.leaf_color} leaves, wilting {record.wilting}, pests {record.pest_signs}. {record.notes}"
        resources.memory.add_episode(context.wake_id, context.ts, "vision_v1", "said_by_model", text, record.to_json())
        return
    shown = "unusable photo: " + (record.why_unusable or "") if not record.usable else "canopy measured"
    resources.memory.add_episode(context.wake_id, context.ts, "vision_cv_v1", "measured", shown, record.to_json())
    if record.canopy_fraction is not None and record.canopy_height_fraction is not None:
        resources.memory.add_canopy(context.ts, record.source, record.canopy_fraction, record.canopy_height_fraction)
        resources.memory.set_fact(
            f"canopy_share.{record.source}",
            f"{100.0 * record.canopy_fraction:.0f}",
            unit="%",
            source=f"photo {record.image_sha256 or ''}"[:76],
            trust="measured",
            ts=context.ts,
            expires=context.ts + SEASON_FACT_LIFE,
        )


def _text(task: str, context: WakeContext, resources: WakeResources) -> EventV1:
    facts = _facts(task, context, resources)
    prose = write_prose(task, facts, resources.backend, resources.settings)
    if prose.fault is not None and not isinstance(resources.backend, NoBackend):
        resources.problems.append(prose.fault)
    event = text_event(task, context, prose, resources.backend)
    resources.memory.add_episode(
        context.wake_id, context.ts, task, "said_by_model" if prose.by_model else "decided", event.text, event.to_json()
    )
    if task == "chronicle" and context.day is not None and resources.data_dir is not None:
        write_chronicle(resources.data_dir, context.day.date, event)
    return event


def _facts(task: str, context: WakeContext, resources: WakeResources) -> tuple[Fact, ...]:
    if task == "chronicle" and context.day is not None:
        return day_facts(context.day)
    return cycle_facts(context, resources.memory.facts(context.ts))


def text_event(task: str, context: WakeContext, prose: ProseResult, backend: Backend) -> EventV1:
    """The record of one text with everything that is needed to know how it came to be."""
    reply = prose.reply
    data: dict[str, float | int | bool | str | None] = {
        "wake_id": context.wake_id,
        "agent": ADVISOR,
        "written_by": "model" if prose.by_model else "template",
        "prompt": f"{prose.prompt.name}@{prose.prompt.version}",
        "prompt_hash": prose.prompt.sha256,
        "grammar_hash": grammar(prose.prompt.grammar_name).sha256,
        "model_hash": backend.model_hash if prose.by_model else "none",
        "seed": prose.seed,
        "refused": "; ".join(prose.refused)[:300] or None,
        "fault": prose.fault,
    }
    if reply is not None:
        data |= {
            "runtime": reply.runtime,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "first_token_s": reply.first_token_s,
            "duration_s": reply.duration_s,
        }
    return EventV1(
        schema_version="event_v1", ts=context.ts, level="INFO", kind="agent", name=task, text=prose.text, data=data
    )


def _warning(context: WakeContext, name: str, text: str) -> EventV1:
    return EventV1(
        schema_version="event_v1",
        ts=context.ts,
        level="WARNING",
        kind="agent",
        name=name,
        text=text,
        data={"wake_id": context.wake_id},
    )
