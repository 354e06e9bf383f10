"""One wake cycle of the advisor: photo, measure, verdict, words, memory. Yields records as they become ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from shared_schemas.records import EventV1, Record, VisionCvV1, VisionV1
from tomato_host.advisor.backends.chat import Backend, NoBackend
from tomato_host.advisor.chronicle import write_chronicle
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.memory.store import Memory
from tomato_host.advisor.prompt_files import grammar
from tomato_host.advisor.settings import AgentSettings
from tomato_host.advisor.text.facts import Fact, cycle_facts, day_facts
from tomato_host.advisor.text.prose import Prose, write_prose
from tomato_host.advisor.vision.cameras import NoPhoto, Photo, take_photo

SEASON_FACT_LIFE = timedelta(days=2)

TEXT_TASKS = ("summary", "explanation", "hypothesis", "chronicle")


@dataclass(slots=True)
class Desk:
    """What a wake cycle works with. `trouble` collects what the model did wrong, for the circuit breaker."""

    settings: AgentSettings
    data_dir: Path | None
    backend: Backend
    memory: Memory
    camera: Callable[..., Photo] = take_photo
    trouble: list[str] = field(default_factory=list)


def run_wake(context: WakeContext, desk: Desk) -> Iterator[Record]:
    """The whole cycle. Nothing here knows an output, a board or a guardrail: records are all that can come out."""
    if "vision" in context.tasks:
        yield from _vision(context, desk)
    for task in TEXT_TASKS:
        if task in context.tasks and _has_ground(task, context):
            if desk.trouble:
                desk.backend = NoBackend()  # a model that just failed is not asked again in the same cycle
            yield _words(task, context, desk)


def _has_ground(task: str, context: WakeContext) -> bool:
    """A hypothesis needs something to explain, a chronicle needs a day."""
    if task == "hypothesis":
        return bool(context.anomalies)
    return context.day is not None if task == "chronicle" else True


def _vision(context: WakeContext, desk: Desk) -> Iterator[Record]:
    if not desk.settings.cameras:
        return
    try:
        # OpenCV is an extra; the rest of the advisor does without.
        from tomato_host.advisor.vision.look import Look, look_at
    except ImportError:
        yield _note(context, "camera_extra_missing", "Photos need OpenCV: pip install 'tomato-host[camera]'")
        return
    look = Look(context.ts, desk.settings, desk.data_dir, desk.backend, desk.memory, desk.trouble)
    for camera in desk.settings.cameras[: desk.settings.photos_per_wake]:
        try:
            photo = desk.camera(camera)
        except NoPhoto as fault:
            yield _note(context, "photo_missing", str(fault)[:300])
            continue
        for record in look_at(photo, look):
            _remember_vision(context, desk, record)
            yield record


def _remember_vision(context: WakeContext, desk: Desk, record: VisionV1 | VisionCvV1) -> None:
    if isinstance(record, VisionV1):
        text = f"{record.leaf_color} leaves, wilting {record.wilting}, pests {record.pest_signs}. {record.notes}"
        desk.memory.remember(context.wake_id, context.ts, "vision_v1", "said_by_model", text, record.to_json())
        return
    shown = "unusable photo: " + (record.why_unusable or "") if not record.usable else "canopy measured"
    desk.memory.remember(context.wake_id, context.ts, "vision_cv_v1", "measured", shown, record.to_json())
    if record.canopy_fraction is not None and record.canopy_height_fraction is not None:
        desk.memory.note_canopy(context.ts, record.source, record.canopy_fraction, record.canopy_height_fraction)
        desk.memory.learn(
            f"canopy_share.{record.source}",
            f"{100.0 * record.canopy_fraction:.0f}",
            unit="%",
            source=f"photo {record.image_sha256 or ''}"[:76],
            trust="measured",
            ts=context.ts,
            expires=context.ts + SEASON_FACT_LIFE,
        )


def _words(task: str, context: WakeContext, desk: Desk) -> EventV1:
    facts = _facts(task, context, desk)
    prose = write_prose(task, facts, desk.backend, desk.settings)
    if prose.fault is not None and not isinstance(desk.backend, NoBackend):
        desk.trouble.append(prose.fault)
    event = text_event(task, context, prose, desk.backend)
    desk.memory.remember(
        context.wake_id, context.ts, task, "said_by_model" if prose.by_model else "decided", event.text, event.to_json()
    )
    if task == "chronicle" and context.day is not None and desk.data_dir is not None:
        write_chronicle(desk.data_dir, context.day.date, event)
    return event


def _facts(task: str, context: WakeContext, desk: Desk) -> tuple[Fact, ...]:
    if task == "chronicle" and context.day is not None:
        return day_facts(context.day)
    return cycle_facts(context, desk.memory.facts(context.ts))


def text_event(task: str, context: WakeContext, prose: Prose, backend: Backend) -> EventV1:
    """The record of one text with everything that is needed to know how it came to be."""
    reply = prose.reply
    data: dict[str, float | int | bool | str | None] = {
        "wake_id": context.wake_id,
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


def _note(context: WakeContext, name: str, text: str) -> EventV1:
    return EventV1(
        schema_version="event_v1",
        ts=context.ts,
        level="WARNING",
        kind="agent",
        name=name,
        text=text,
        data={"wake_id": context.wake_id},
    )
