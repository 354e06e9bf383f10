"""The core of a world end to end: order, once only, views without leaks, restarts, cancelling, a flipped byte."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tomato_host.brain.admission.answers import Answer
from tomato_host.world.agents import AgentHandle
from tomato_host.world.delta import apply
from tomato_host.world.document import WorldState, lookup
from tomato_host.world.event_log import ChainedLog, parse_line
from tomato_host.world.orchestrator import Orchestrator, WorldSettings
from tomato_host.world.rules import replay
from tomato_host.world.timed_queue import TimedQueue
from tomato_host.world.views import ObservationPolicy
from tomato_host.world.worlds.garden import GARDENER, GardenWorld
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.admission.cases import agent


class SimClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Stage:
    """A world on a simulated clock, with the views that its agents rebuild from what they are sent."""

    def __init__(self, world: Any, log: ChainedLog | None = None, seed: int = 1) -> None:
        self.clock = SimClock()
        self.log = log or ChainedLog("w")
        self.host = Orchestrator("w", world, self.log, self.clock, WorldSettings(seed=seed), stopwatch=lambda: 0.0)
        self.rebuilt: dict[str, Any] = {}
        self.numbers: dict[str, list[int]] = {}

    def join(self, name: str, policy: ObservationPolicy, **fields: Any) -> AgentHandle:
        return self.host.register_agent(agent(name, **fields), policy)

    def ask(self, name: str, intent_id: str, kind: str, **payload: Any) -> Answer:
        """Submit and run a turn; the answer."""
        given: list[Answer] = []
        intent: Any = {"schema_version": "intent_v1", "id": intent_id, "agent": name, "kind": kind, "payload": payload}
        direct = self.host.submit_intent(intent, given.append)
        self.host.run_turn()
        return direct or given[0]

    def follow(self, handle: AgentHandle) -> list[Any]:
        """Rebuild the agent's view from its deltas, as a client does; returns the events."""
        events = []
        for one in handle.pop_observations():
            if one["schema_version"] != "observation_delta_v1":
                events.append(one)
                continue
            self.numbers.setdefault(handle.name, []).append(one["view_seq"])
            old = self.rebuilt.get(handle.name)
            self.rebuilt[handle.name] = one["snapshot"] if one["patch"] is None else apply(old, one["patch"])
        return events


# -- garden: conflicts, distance, replay -----------------------------------------------------------------------------


def busy_garden(stage: Stage, seed: int = 3, steps: int = 120) -> list[AgentHandle]:
    """Three agents that move about at random, take, put and water, while the pots dry."""
    random = Random(seed)
    handles = [
        stage.join(name, GARDENER, latency={"base_ms": 50.0, "jitter_ms": 100.0}) for name in ("ann", "ben", "cleo")
    ]
    for step in range(steps):
        stage.clock.now_s += 0.25
        for handle in handles:
            kind = random.choice(["enter", "move", "move", "take", "put", "water"])
            payloads: dict[str, dict[str, Any]] = {
                "enter": {"at": [1.0, 0.5]},
                "move": {"to": [random.uniform(0, 4), random.uniform(0, 2)]},
                "take": {"can": "C1"},
                "put": {"can": "C1"},
                "water": {"pot": f"P{random.randrange(1, 5)}", "ml": 150.0},
            }
            stage.host.submit_intent(
                {"schema_version": "intent_v1", "id": f"{handle.name}{step}", "agent": handle.name, "kind": kind,
                 "payload": payloads[kind]}
            )  # fmt: skip
        stage.host.run_turn()
        if step % 10 == 0:
            stage.host.broadcast_event(
                {"schema_version": "effect_draft_v1", "source": "time", "kind": "tick", "payload": {"hours": 0.5}}
            )
        for handle in handles:
            stage.follow(handle)
    return handles


def test_what_clients_rebuild_is_their_view_and_numbers_have_no_gap() -> None:
    stage = Stage(GardenWorld())
    handles = busy_garden(stage)
    stage.clock.now_s += 1.0
    for handle in handles:
        stage.follow(handle)
        assert handle.view is not None and stage.rebuilt[handle.name] == handle.view.document
        numbers = stage.numbers[handle.name]
        assert len(numbers) > 20 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_same_log_same_everything_and_a_snapshot_leads_to_the_same_state() -> None:
    one, other = Stage(GardenWorld()), Stage(GardenWorld())
    busy_garden(one), busy_garden(other)
    assert one.log.lines() == other.log.lines()
    world, entries = GardenWorld(), list(one.log.entries_since(0))
    whole = replay(world, "w", entries)
    assert whole == one.host.state and len(entries) > 100
    for cut in range(0, len(entries), 13):
        snapshot = replay(world, "w", entries[: cut + 1])
        assert replay(world, "w", entries[cut + 1 :], snapshot) == whole


def test_a_restart_stands_where_the_log_ends(tmp_path: Path) -> None:
    first = Stage(TalkWorld(), ChainedLog("w", tmp_path / "log.jsonl"))
    first.join("ann", LISTENER, quotas={"intents_per_hour": 2})
    answers = [first.ask("ann", f"i{i}", "say", text=f"hello {i}") for i in range(2)]
    first.log.close()
    torn = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(torn + b'{"n":99,"seq":99,"ha')
    again = Stage(TalkWorld(), ChainedLog("w", tmp_path / "log.jsonl"), seed=77)
    handle = again.join("ann", LISTENER, quotas={"intents_per_hour": 2})
    assert again.host.settings.seed == 1 and again.log.validate() == []
    assert again.host.state.document == first.host.state.document
    assert [again.ask("ann", f"i{i}", "say", text=f"hello {i}").to_json() for i in range(2)] == [
        answer.to_json() for answer in answers
    ]
    assert again.ask("ann", "i2", "say", text="once more").code == "QUOTA_EXCEEDED", "quotas outlive a restart"
    assert handle.view_seq > first.host.observer("ann").account.view.seq, "no view number is given twice"


def test_two_want_the_same_can_and_the_order_of_the_quantum_decides() -> None:
    for priorities, winner in (((0, 0), "ann"), ((0, 1), "ben")):
        stage = Stage(GardenWorld())
        for name in ("ann", "ben"):
            stage.join(name, GARDENER)
            stage.ask(name, f"enter-{name}", "enter", at=[1.0, 0.3])
        given: dict[str, Answer] = {}
        for name, priority in zip(("ben", "ann"), reversed(priorities), strict=True):
            stage.host.submit_intent(
                {"schema_version": "intent_v1", "id": f"take-{name}", "agent": name, "kind": "take",
                 "payload": {"can": "C1"}, "priority": priority},
                lambda answer, given=given: given.__setitem__(answer.agent, answer),  # type: ignore[misc]
            )  # fmt: skip
        stage.host.run_turn()
        assert given[winner].status == "accepted" and lookup(stage.host.state.document, "/cans/C1/held_by") == winner
        (loser,) = {"ann", "ben"} - {winner}
        assert given[loser].code == "INTENT_CONFLICT"


def test_what_moves_away_is_removed_from_the_view() -> None:
    stage = Stage(GardenWorld())
    ann, _ = stage.join("ann", GARDENER), stage.join("ben", GARDENER)
    stage.ask("ann", "a", "enter", at=[0.5, 0.5])
    stage.ask("ben", "b", "enter", at=[1.0, 0.5])
    stage.follow(ann)
    assert "ben" in stage.rebuilt["ann"]["agents"]
    for i in range(2):
        stage.ask("ben", f"m{i}", "move", to=[4.0, 0.5])
    stage.follow(ann)
    assert "ben" not in stage.rebuilt["ann"]["agents"] and "ann" in stage.rebuilt["ann"]["agents"]


@pytest.mark.parametrize("seed", range(20))
def test_a_hidden_change_causes_no_message_no_number_and_no_delay(seed: int) -> None:
    """Random policies; one world has hidden changes between the visible ones, its twin has not."""
    random = Random(seed)
    visible = random.sample(["P1", "P2", "P3", "P4"], 2)
    hidden_pots = sorted({"P1", "P2", "P3", "P4"} - set(visible))
    policy = ObservationPolicy(
        name="some",
        paths=tuple(f"/pots/{name}" for name in visible),
        rounding={"moisture_pct": 0.5},
        least_interval_s=random.choice([0.0, 1.0]),
    )
    sent: list[list[Any]] = []
    plan = [(random.choice(visible), random.uniform(1, 200), random.choice(hidden_pots)) for _ in range(40)]
    for with_hidden in (True, False):
        stage = Stage(GardenWorld(cans=2))
        spy = stage.join("spy", policy, latency={"base_ms": 20.0, "jitter_ms": 30.0})
        stage.join("gardener", ObservationPolicy(name="all", paths=("",)))
        seen: list[Any] = []
        for i, (pot, ml, other) in enumerate(plan):
            stage.clock.now_s += 0.4
            _pour(stage, f"v{i}", pot, ml)
            if with_hidden:
                _pour(stage, f"h{i}", other, 50.0)
            for step in range(8):
                stage.clock.now_s += 0.05
                stage.host.update_views()
                seen += [(i, step, one) for one in spy.pop_observations()]
        sent.append(seen)
    assert sent[0] == sent[1] and len(sent[0]) > 5


def _pour(stage: Stage, name: str, pot: str, ml: float) -> None:
    """Water as an event of the world, whoever is near."""
    stage.host.broadcast_event(
        {"schema_version": "effect_draft_v1", "source": f"rain-{name[0]}", "kind": "water",
         "payload": {"pot": pot, "ml": ml}, "sim_time_s": stage.clock.now_s}
    )  # fmt: skip


# -- log -------------------------------------------------------------------------------------------------------------


def test_one_flipped_byte_anywhere_in_an_envelope_is_found(tmp_path: Path) -> None:
    stage = Stage(TalkWorld())
    stage.join("ann", LISTENER)
    stage.ask("ann", "i", "say", text="hello")
    lines = stage.log.lines()
    assert all(key in lines[-1] for key in (b"sim_time_s", b'"world":"w"', b'"agent":"ann"', b'"req_id":"i"', b"at_s"))
    path = tmp_path / "log.jsonl"
    for at in range(len(lines[-1]) - 1):
        broken = bytearray(lines[-1])
        broken[at] ^= 1
        damaged = ChainedLog("w")
        damaged._lines = [*lines[:-1], bytes(broken), lines[-1]]  # and a line after it, so that no tail is repaired
        assert damaged.validate(), f"byte {at} of {len(lines[-1])}: {bytes(broken)!r}"
    assert not path.exists() and stage.log.validate() == []


def test_compaction_leaves_the_chain_verified() -> None:
    stage = Stage(TalkWorld())
    stage.join("ann", LISTENER)
    for i in range(20):
        stage.ask("ann", f"i{i}", "say", text=str(i))
    snapshot = replay(TalkWorld(), "w", [e for e in stage.log.entries_since(0) if e.n <= 12])
    head = stage.log.compact(12)
    assert (head.n, stage.log.first_n, stage.log.validate()) == (12, 13, [])
    stage.ask("ann", "after", "say", text="after")
    assert stage.log.validate() == [] and parse_line(stage.log.lines()[0]).n == 13
    assert replay(TalkWorld(), "w", stage.log.entries_since(12), snapshot) == stage.host.state
    with pytest.raises(ValueError, match="compacted"):
        list(stage.log.entries_since(3))
    stage.log._lines[2] = stage.log._lines[2].replace(b"ann", b"bob")
    assert stage.log.validate()


# -- talk: messages, cancelling ----------------------------------------------------------------------------------------


def test_a_message_goes_to_whom_it_is_for() -> None:
    stage = Stage(TalkWorld())
    handles = {name: stage.join(name, LISTENER) for name in ("ann", "ben", "cleo")}
    stage.ask("ann", "i", "say", text="psst", to="ben")
    got = {name: [e["kind"] for e in stage.follow(handle)] for name, handle in handles.items()}
    assert got == {"ann": ["say"], "ben": ["say"], "cleo": []}


@pytest.mark.parametrize(("interrupt", "cancelled"), [("always", True), ("only_conflict", False)])
def test_interrupt_policies(interrupt: str, cancelled: bool) -> None:
    """Work that has read something else is cancelled by a visible change only under `always`."""
    stage = Stage(TalkWorld())
    ann, _ = stage.join("ann", LISTENER, interrupt=interrupt), stage.join("ben", LISTENER)
    elsewhere, reads_it = ann.begin_work("r1", ("/elsewhere",)), ann.begin_work("r2", ("/said",))
    stage.ask("ben", "i", "say", text="stop!")
    assert elsewhere.is_cancelled is cancelled and reads_it.is_cancelled
    assert reads_it.reason is not None and reads_it.reason.startswith("STALE_CONTEXT")


def test_the_last_change_within_a_debounce_is_still_examined() -> None:
    """A known mistake: the debounce swallows the last change, and work ends on a context that is known to be old."""
    stage = Stage(TalkWorld())
    ann, _ = stage.join("ann", LISTENER, debounce_ms=500.0), stage.join("ben", LISTENER)
    first = ann.begin_work("r1", ("/said",))
    stage.ask("ben", "i1", "say", text="one")
    assert first.is_cancelled
    second = ann.begin_work("r2", ("/said",))
    stage.clock.now_s += 0.1
    stage.ask("ben", "i2", "say", text="two")
    assert not second.is_cancelled, "too soon after the first interruption"
    assert stage.host.cancels.next_due_s() == pytest.approx(1_000.5)
    stage.clock.now_s += 0.5
    stage.host.update_views()
    assert second.is_cancelled and stage.host.cancels.next_due_s() is None


def test_a_shadow_intent_is_judged_and_moves_nothing() -> None:
    stage = Stage(TalkWorld())
    stage.join("ann", LISTENER, shadow=True)
    before = stage.host.state.document
    assert stage.ask("ann", "i", "say", text="hello").status == "accepted"
    assert stage.ask("ann", "j", "say", text="").code == "INTENT_CONFLICT"
    assert (
        stage.host.state.document == before and replay(TalkWorld(), "w", stage.log.entries_since(0)) == stage.host.state
    )


def test_the_engines_time_is_the_worlds_time_and_never_goes_back() -> None:
    stage = Stage(GardenWorld())
    times = []
    for at_s in (None, 5_000.0, 4_000.0, None, 6_000.0):
        draft: Any = {"schema_version": "effect_draft_v1", "source": "engine", "kind": "tick", "sim_time_s": at_s}
        draft["payload"] = {"hours": 0.1}
        times.append(stage.host.broadcast_event(draft)["sim_time_s"])
        stage.clock.now_s += 1.0
    assert times == [1_000.0, 5_000.0, 5_000.0, 5_000.0, 6_000.0]


def test_an_evicted_view_comes_back_as_a_snapshot_and_only_when_it_has_changed() -> None:
    stage = Stage(TalkWorld())
    ann = stage.join("ann", LISTENER)
    hidden = stage.join("deaf", ObservationPolicy(name="deaf", paths=("/nothing",)))
    stage.ask("ann", "i", "say", text="one")
    stage.follow(ann), stage.follow(hidden)
    for handle in (ann, hidden):
        stage.host.observer(handle.name).evict()
    stage.ask("ann", "j", "say", text="two")
    change: Any
    (change,) = [one for one in ann.pop_observations() if one["schema_version"] == "observation_delta_v1"]
    assert change["patch"] is None and change["snapshot"]["count"] == 2 and hidden.pop_observations() == []


# -- timed queue -------------------------------------------------------------------------------------------------------


def test_a_simulated_queue_is_exact_and_in_order() -> None:
    clock = SimClock()
    queue: TimedQueue[str] = TimedQueue(clock)
    for due_s, item in ((1_002.0, "c"), (1_001.0, "a"), (1_001.0, "b"), (5_000.0, "d")):
        queue.put_at(due_s, item)
    assert queue.pop_due(1_000.999) == [] and queue.next_due_s() == 1_001.0
    assert queue.pop_due(1_001.0) == ["a", "b"] and queue.pop_due(1_002.0) == ["c"] and len(queue) == 1


def test_a_live_queue_waits_wakes_for_an_earlier_item_and_survives_a_cancelled_get() -> None:
    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        queue: TimedQueue[str] = TimedQueue(loop.time)
        queue.put_at(loop.time() + 30.0, "never")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.get(), 0.02)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0.01)
        due_s = loop.time() + 0.03
        await asyncio.to_thread(queue.put_at, due_s, "soon")
        first = await asyncio.wait_for(waiting, 5.0)
        assert due_s - 0.001 <= loop.time() < due_s + 2.0 and len(queue) == 1
        return [first]

    assert asyncio.run(run()) == ["soon"]


def test_a_state_is_empty_before_its_log() -> None:
    assert replay(TalkWorld(), "w", []) == WorldState("w", document={"count": 0, "said": {}})
