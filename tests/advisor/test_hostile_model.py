"""A model that may say anything, and a process that may do anything: no action, no delay, no exception."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.advisor import advisor
from tomato_host.advisor.advisor import Advisor, checked_record
from tomato_host.advisor.backends.chat import BackendFault, ChatReply, ChatRequest, ReplyBuilder
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.pipeline import WakeResources, run_wake
from tomato_host.advisor.settings import AdvisorSettings, CameraSettings
from tomato_host.advisor.text.numbers import foreign_numbers
from tomato_host.advisor.vision.cameras import Photo
from tomato_host.world.worlds.tent import fold

from shared_schemas.records import EventV1, VisionCvV1, VisionV1
from shared_schemas.records.action_v1 import Why
from tests.advisor.eager_worker import ALARMING
from tests.advisor.hostile_worker import COMMAND_LIKE, MANNERS, REPLIES
from tests.advisor.pictures import jpeg, plant
from tests.advisor.processes import queue_ns
from tests.advisor.wakes import context, state
from tests.world.injections import TEXTS

DELAY_MOST_S = 0.005
SETTINGS = AdvisorSettings(
    cameras=(CameraSettings(name="cam", kind="folder", path=Path("unused")),), wake_deadline_s=600.0, backend="http"
)
PHOTO = jpeg(plant(1, size=160))


@dataclass
class Stopwatch:
    """The longest call as the deciding loop felt it, without the time other processes held both cores."""

    worst_s: float = 0.0
    calls: int = 0
    _on_linux: bool = field(default=sys.platform == "linux")

    def time(self, call: Callable[[], Any]) -> Any:
        queued = queue_ns() if self._on_linux else 0
        started = time.perf_counter()
        result = call()
        took = time.perf_counter() - started
        queued = (queue_ns() if self._on_linux else 0) - queued
        self.worst_s = max(self.worst_s, took - queued / 1e9)
        self.calls += 1
        return result


def one_cycle(manner: str, tmp_path: Path) -> tuple[list[Any], Stopwatch, Advisor]:
    """Wake, decide every 2 ms as a loop would, until the cycle is over; the clock jumps when nothing happens."""
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    camera = CameraSettings(name="cam", kind="folder", path=tmp_path)
    ahead = [0.0]
    advisor = Advisor(
        SETTINGS.model_copy(update={"cameras": (camera,)}),
        command=[sys.executable, "-m", "tests.advisor.hostile_worker", manner],
        clock=lambda: time.monotonic() + ahead[0],
    )
    watch, records = Stopwatch(), []
    watch.time(lambda: advisor.wake(context(tasks=("vision", "summary"))))
    began = time.monotonic()
    while advisor.status().state == "working":
        watch.time(lambda: advisor.observe(state()))
        records += watch.time(advisor.poll)
        if manner == "after_ten_minutes" and time.monotonic() - began > 1.0:
            ahead[0] = 601.0
        assert time.monotonic() - began < 60.0, f"{manner} never ended"
        time.sleep(0.002)
    records += watch.time(advisor.poll)
    return records, watch, advisor


@pytest.mark.parametrize("manner", MANNERS)
def test_no_manner_of_hostility_delays_or_acts(manner: str, tmp_path: Path) -> None:
    """Every call returns within 5 ms and only the three allowed kinds of record come back."""
    for _attempt in range(3):
        records, watch, advisor = one_cycle(manner, tmp_path)
        advisor.close()
        assert watch.calls > 3
        assert all(type(r) in (VisionV1, VisionCvV1, EventV1) for r in records)
        for record in records:
            if isinstance(record, VisionV1):
                assert record.leaf_color == "unknown" and record.confidence == 0.0
            if isinstance(record, EventV1):
                assert record.kind == "agent" and record.level != "ALARM"
                assert record.data.get("written_by") != "model"
        if manner.startswith(("rude", "after_ten")):
            assert [r.name for r in records if isinstance(r, EventV1)][-1:] == ["advisor_failed"]
        if watch.worst_s < DELAY_MOST_S:
            return
        # A neighbour can hold the interpreter's own lock holder off the processor; that is not repeatable, a bug is.
    pytest.fail(f"{manner}: a call took {watch.worst_s * 1e3:.1f} ms, three times in a row")


class Says:
    """In-process backend for the property tests."""

    name, sees, model_hash = "says", True, "says"

    def __init__(self, text: str) -> None:
        self._text = text

    def chat(self, request: ChatRequest) -> ChatReply:
        return ChatReply(self._text, True, "test")

    def close(self) -> None:
        return


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_near_verdict = st.fixed_dictionaries(
    {
        "leaf_color": st.sampled_from(["green", "yellowing", "spots", "unknown", "purple", 1]),
        "wilting": st.sampled_from([True, False, None, "yes"]),
        "pest_signs": st.sampled_from(["none", "possible", "likely", "unknown", None]),
        "fruit_count_est": st.integers() | st.none() | st.floats(),
        "flower_count_est": st.integers(0, 99) | st.none(),
        "stress_score": st.floats() | st.none() | st.integers(),
        "notes": st.text(max_size=200),
        "confidence": st.floats(),
    },
    optional={"type": st.just("WATER"), "ml": st.just(99999)},
)
_words = st.lists(
    st.sampled_from(["The plant", "[F1]", "[F2]", "[F99]", "7", "٣", "½", "seven", "rests", ".", " ", "ml", "Open"]),
    max_size=30,
).map(" ".join)
_anything = st.one_of(
    st.text(max_size=300),
    _json.map(json.dumps),
    _near_verdict.map(json.dumps),
    _words,
    st.sampled_from([COMMAND_LIKE, *REPLIES.values()]),
)


@settings(max_examples=120, deadline=None)
@given(_anything)
def test_whatever_a_model_says_becomes_a_valid_record_or_nothing(text: str) -> None:
    """No exception, no foreign number, no trust in its own confidence, and nothing that could be an action."""
    wake = context(tasks=("vision", "summary", "explanation", "hypothesis", "chronicle"))
    resources = WakeResources(
        SETTINGS, None, Says(text), MemoryStore(None), camera=lambda camera: Photo(camera.name, PHOTO)
    )
    records = list(run_wake(wake, resources))
    assert [type(r) for r in records] == [VisionCvV1, VisionV1, EventV1, EventV1, EventV1, EventV1]
    for record in records:
        assert checked_record(record.to_json().encode()) == record
    judged = records[1]
    assert isinstance(judged, VisionV1) and judged.confidence <= 0.25
    for event in records[2:]:
        assert isinstance(event, EventV1)
        if event.data["written_by"] == "model":
            vouched = (wake.to_json(), str(resources.memory.facts(wake.ts)), "-0.6 1.16 26.4 18.2 439 1600 62")
            assert foreign_numbers(event.text, vouched) == (), event.text


@pytest.mark.parametrize(("text", "kind", "payload"), TEXTS)
def test_an_injected_text_moves_nothing_whatever_the_model_answers(
    text: str, kind: str, payload: dict[str, Any]
) -> None:
    """It stands in an action's reason, the plan and the photo; the model repeats it, or answers with the action."""
    asked = context(tasks=("vision", "summary", "explanation", "hypothesis", "chronicle"))
    assert asked.plan is not None and asked.state is not None
    action = asked.actions[0].model_copy(update={"why": Why(text=text)})
    plan = asked.plan.model_copy(update={"explanation": text})
    wake = asked.model_copy(update={"actions": (action,), "plan": plan})
    proposal = {"schema_version": "action_v1", "ts": asked.ts.isoformat(), "type": kind, "params": payload, "id": "x",
                "origin": "person", "agent": "owner"}  # fmt: skip
    before = fold(fold({}, asked.state), action)
    for answer in (text, json.dumps(proposal), json.dumps({**ALARMING, "notes": text})):
        resources = WakeResources(
            SETTINGS, None, Says(answer), MemoryStore(None), camera=lambda camera: Photo(camera.name, PHOTO)
        )
        document = before
        for record in run_wake(wake, resources):
            assert checked_record(record.to_json().encode()) == record
            document = fold(document, record)
        assert {key for key in document if document[key] != before.get(key)} <= {"advice"}
    with pytest.raises(advisor.LineRefused):
        checked_record(json.dumps(proposal, separators=(",", ":")).encode())


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), _json.map(lambda v: json.dumps(v).encode()), st.just(COMMAND_LIKE.encode())))
def test_no_line_from_the_process_is_recorded_unchecked(body: bytes) -> None:
    """Either one of the three kinds, or refused; never an action and never another exception."""
    try:
        record = checked_record(body)
    except advisor.LineRefused:
        return
    assert type(record) in (VisionV1, VisionCvV1, EventV1)


@settings(max_examples=200, deadline=None)
@given(st.lists(_json, max_size=6))
def test_a_stream_of_anything_is_a_reply_or_a_fault(chunks: list[Any]) -> None:
    """The stream reader of both paths raises nothing but its own fault."""
    builder = ReplyBuilder("test")
    try:
        for chunk in chunks:
            builder.add(chunk, 0.0)
        assert isinstance(builder.reply(1.0).text, str)
    except BackendFault:
        return


def test_failures_rest_the_model_and_text_goes_on(tmp_path: Path) -> None:
    """After a failed cycle the next one comes from templates at once; the breaker reports that it rests."""
    _, _, advisor = one_cycle("raises", tmp_path)
    try:
        assert advisor.status().state == "resting" and advisor.status().failures == 1
        assert advisor.wake(context("w-2", ("summary",)))
        records: list[Any] = []
        while advisor.status().state != "resting":
            records += advisor.poll()
            time.sleep(0.002)
        assert [r.data["written_by"] for r in records] == ["template"]
        assert advisor.status().failures == 1
    finally:
        advisor.close()


def test_an_advisor_that_is_off_does_nothing() -> None:
    advisor = Advisor(AdvisorSettings(enabled=False))
    assert not advisor.wake(context()) and advisor.poll() == [] and not advisor.cancel("leak")
    assert advisor.status().state == "off"
    advisor.close()


def test_a_program_that_is_not_there_is_a_failure_not_an_exception() -> None:
    advisor = Advisor(AdvisorSettings(), command=["/nonexistent/program"])
    try:
        assert advisor.wake(context())
        deadline = time.monotonic() + 5.0
        records: list[Any] = []
        while not records and time.monotonic() < deadline:
            records = advisor.poll()
            time.sleep(0.002)
        assert records[0].name == "advisor_failed" and "would not start" in records[0].text
        assert records[0].ts == datetime.fromisoformat("2026-02-14T10:00:00+01:00")
    finally:
        advisor.close()
