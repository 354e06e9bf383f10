"""Nine agents flood a running host: the lease is renewed in time, the planner is refused nothing, a person is answered.

The real host process on the virtual board. How late a lease may be is measured by the host itself
(`tomato_world_stage_seconds{stage="lease"}`). The short test leaves room for a machine that is busy with other tests;
`make soak` holds the figures of the design for a minute.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from tomato_host.commands.inbox import new_request, submit
from tomato_host.errors import TomatoError

from shared_schemas.records import ActionV1, AgentV1
from tests.incidents.running_host import RunningHost, running_host, until

AGENTS = [f"flood{i}" for i in range(9)]
Lateness = dict[float, float]
"""Renewals that were at most so many seconds late."""


def renewals(host: RunningHost) -> Lateness:
    with urlopen(f"http://127.0.0.1:{host.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'tomato_world_stage_seconds_bucket\{le="([^"]+)",stage="lease"\} (\S+)', text)
    return {float(bound): float(count) for bound, count in found}


def since(before: Lateness, after: Lateness) -> Lateness:
    return {bound: count - before[bound] for bound, count in after.items()}


def flood(host: RunningHost, name: str, over: threading.Event) -> None:
    """As many proposals as the directory takes, thirty a second."""
    number = 0
    while not over.wait(1.0 / 30.0):
        number += 1
        action = ActionV1.model_validate(
            {"schema_version": "action_v1", "ts": datetime.now(UTC), "type": "SET_CIRCULATION_FAN", "origin": "api",
             "agent": name, "id": f"{name}-{number}", "params": {"state": "ON", "seconds": 60.0}}
        )  # fmt: skip
        with suppress(TomatoError):  # E-INBOX-FULL: the bound is what keeps the loop in time
            submit(host.data, new_request("action", "flood", action=action))


def flooded(place: Path, seconds: float) -> tuple[Lateness, list[float]]:
    """Lateness in the flood, and how long a person's commands took, in s without their own start."""
    with running_host(place) as (host, _):
        until(lambda: host.records("plans") and renewals(host), "the first decision")
        for name in AGENTS:
            record = AgentV1.model_validate(
                {"schema_version": "agent_v1", "ts": datetime.now(UTC), "name": name, "tent": "main", "origin": "api",
                 "policy": "tent", "quotas": {"intents_per_hour": 40}}
            )  # fmt: skip
            submit(host.data, new_request("agent", "flood", agent=record))
        over, took = threading.Event(), list[float]()
        threads = [threading.Thread(target=flood, args=(host, name, over)) for name in AGENTS]
        for thread in threads:
            thread.start()
        before, end_s = renewals(host), time.monotonic() + seconds
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            host.command("world", "agents", "--json")
            start_s, began_s = time.monotonic() - began_s, time.monotonic()
            done = host.command("mode", "normal", "--reason", "flood")
            assert done.returncode == 0, done.stderr
            took.append(max(0.0, time.monotonic() - began_s - start_s))
        late = since(before, renewals(host))
        over.set()
        for thread in threads:
            thread.join()
        answered = [action for action in host.records("actions") if action["agent"] in AGENTS]
        assert {action["agent"] for action in answered} == set(AGENTS), "every one of them was served"
        own = [a["safety"]["refused_by"] for a in host.records("actions") if a["origin"] in ("controller", "safe_mode")]
        assert not {"QUOTA_EXCEEDED", "BACKPRESSURE"} & set(own)
        host.stop()
        host.assert_whole()
    return late, took


def test_a_flood_delays_neither_the_lease_nor_a_person(tmp_path: Path) -> None:
    late, took = flooded(tmp_path, 8.0)
    assert late[float("inf")] >= 3
    assert late[1.0] == late[float("inf")], f"the lease of 5 s is renewed every 2.4 s: {late}"
    assert sorted(took)[len(took) // 2] <= 2.0, took


@pytest.mark.soak
def test_nine_agents_flood_for_a_minute_live(tmp_path: Path) -> None:
    late, took = flooded(tmp_path, 60.0)
    assert late[0.02] >= 0.99 * late[float("inf")], "at p99 at most 20 ms late"
    assert late[0.25] == late[float("inf")], "never more than 250 ms"
    assert max(took) <= 2.0, took
