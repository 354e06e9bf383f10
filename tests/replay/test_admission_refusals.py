"""Refusals of admission are judged again in a check: rights, quarantine, and what an agent could have seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.app import brain_settings
from tomato_host.brain.brain import Brain
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.step_data import RuntimeContext
from tomato_host.loop.episode import Episode
from tomato_host.loop.simulated_day import DayPlan, SimulatedDay
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings
from tomato_host.storage.reader import read_records
from tomato_host.world.worlds.tent import TentViews

from shared_schemas.records import ActionV1, DeviceStatusV1, EventV1, ObservationV1, Record
from tests.admission.cases import agent
from tests.guardrails.proposals import proposal

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


class Host:
    """What the deciding loop does with observations and proposals, and the recording that comes of it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.brain = Brain(brain_settings(Settings()))
        self.views = TentViews(self.brain.settings.tent, self.brain.admission.pipeline)
        self.episode = Episode(self.brain, self, self)

    def record(self, record: Record) -> None:
        self.records.append(record)
        self.views.add(record)

    def act(self, verdict: Verdict) -> None:
        """Nothing moves here."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Nothing moves here."""

    def add_agent(self, name: str, **fields: object) -> None:
        record = agent(name, policy="tent", **fields)
        self.brain.admission.set_agent(record)
        self.record(record)

    def propose(self, name: str, number: int, at: datetime, **fields: object) -> str | None:
        action = proposal("WATER", f"{name}-{number}", origin="api", ml=60.0)
        action = action.model_copy(update={"agent": name, "ts": at, "not_after": None, **fields})
        verdict = self.brain.judge(action, RuntimeContext(now=at))
        self.record(verdict.action)
        return verdict.rule


def event(name: str, at: datetime, **data: float) -> EventV1:
    return EventV1.model_validate(
        {"schema_version": "event_v1", "ts": at, "level": "INFO", "kind": "process", "name": name, "text": name,
         "data": data}
    )  # fmt: skip


def recording(place: Path) -> tuple[Host, list[str | None]]:
    """An hour with three agents of whom two are refused: by right, for a stale view, in quarantine."""
    day = SimulatedDay(DayPlan(START, duration_h=1.0), place).run()
    host, rules = Host(), list[str | None]()
    host.record(event("started", START, resumed=0, answers=0))
    host.record(event("link_up", START).model_copy(update={"kind": "link"}))
    host.add_agent("screen")
    host.add_agent("sitter", may=["SET_LIGHT"])
    devices: DeviceStatusV1 | None = None
    seq = 0
    for record in read_records(day.dataset, {"sensors_raw", "devices"}):
        if isinstance(record, DeviceStatusV1):
            devices = record
        elif isinstance(record, ObservationV1) and devices is not None:
            minute = round((record.ts - START).total_seconds() / 60.0)
            record = record.model_copy(update={"leak": minute >= 30})
            host.episode.run(record, devices, RuntimeContext(now=record.ts))
            if minute % 10 == 0:
                host.episode.record_state(None)
            if minute == 15:
                seq = host.views.observer("screen").account.view.seq
            if minute in (16, 45):  # fresh, then stale: the leak sensor has changed since
                rules.append(host.propose("screen", minute, record.ts, context_seq=seq))
            if minute == 20:
                rules.append(host.propose("sitter", minute, record.ts))
            if minute == 50:
                host.add_agent("screen", state="quarantined", reason="too often")
                rules.append(host.propose("screen", minute, record.ts))
    return host, rules


def test_refusals_of_admission_are_judged_again(tmp_path: Path) -> None:
    host, rules = recording(tmp_path)
    assert rules[1:] == ["NOT_PERMITTED", "STALE_CONTEXT", "QUARANTINED"] and rules[0] != "STALE_CONTEXT"
    result = Checker(brain_settings(Settings())).check(host.records)
    assert result.same, result.differences[:3]
    assert result.compared["action_v1"] >= 4


def test_a_refusal_that_admission_would_not_give_is_shown(tmp_path: Path) -> None:
    host, _ = recording(tmp_path)
    forged: list[Record] = []
    for record in host.records:
        stale = isinstance(record, ActionV1) and record.safety.refused_by == "STALE_CONTEXT"
        forged.append(record.model_copy(update={"context_seq": None}) if stale else record)
    result = Checker(brain_settings(Settings())).check(forged)
    assert result.differing["action_v1"] == 1


def test_view_numbers_follow_from_the_records(tmp_path: Path) -> None:
    """The same records give the same numbers; a later process begins behind every one that was given."""
    host, _ = recording(tmp_path)
    again = Brain(brain_settings(Settings()))
    views = TentViews(again.settings.tent, again.admission.pipeline)
    for record in host.records:
        if isinstance(record, type(agent())):
            again.admission.set_agent(record)
        views.add(record)
    numbers = {name: account.view.seq for name, account in host.brain.admission.pipeline.accounts.items()}
    assert numbers == {name: account.view.seq for name, account in again.admission.pipeline.accounts.items()}
    later = Brain(brain_settings(Settings()))
    views = TentViews(later.settings.tent, later.admission.pipeline)
    views.add(event("started", START + timedelta(hours=1)))
    assert min(account.view.seq for account in later.admission.pipeline.accounts.values()) > max(numbers.values())


def test_a_clock_set_back_delays_no_view(tmp_path: Path) -> None:
    """Views go by elapsed time: an hour back on the clock makes no pause of an hour."""
    host, _ = recording(tmp_path)
    end = max(record.ts for record in host.records)
    back = timedelta(hours=-1)
    host.record(event("clock_set", end + back, seconds=back.total_seconds()))
    state = next(r for r in reversed(host.records) if getattr(r, "schema_version", "") == "state_v1")
    before = host.brain.admission.pipeline.accounts["api"].view.seq
    air = state.env.model_copy(update={"air_temp_c": 5.0})  # type: ignore[attr-defined]  # a state_v1
    host.record(state.model_copy(update={"ts": end + back + timedelta(seconds=30), "env": air}))
    assert host.brain.admission.pipeline.accounts["api"].view.seq == before + 1
