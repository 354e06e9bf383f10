"""On a real board: `make hil PORT=/dev/ttyACM0`. Reads only; with `TOMATO_ACTUATE=1` the fan runs for a second.

The same tests pass on a served virtual board (`tomato-host twin serve`), which is how they are kept honest.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest
from tomato_host.board.events import Connected, Health, LinkEvent, Result, Sample
from tomato_host.board.port import SerialPort
from tomato_host.board.session import BoardSession

from shared_schemas.devices import SENSOR_BY_NAME
from shared_schemas.wire import SCHEMA_HASH

pytestmark = pytest.mark.hil

PORT = os.environ.get("TOMATO_PORT", "")
ACTUATE = os.environ.get("TOMATO_ACTUATE") == "1"


class BoardClient:
    """A session on the port, driven by the wall clock."""

    def __init__(self) -> None:
        self.session = BoardSession(lambda: SerialPort.open(PORT), random.SystemRandom().randrange(1, 0xFFFF))
        self.session.open_now()
        self.events: list[LinkEvent] = []
        self.lease = False
        self._leased_s = 0.0

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def until(self, wanted: Callable[[LinkEvent], bool], timeout_s: float) -> LinkEvent:
        """The next event that is wanted."""
        begun = len(self.events)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.lease and time.monotonic() - self._leased_s > 2.0:
                self._leased_s = time.monotonic()
                self.session.renew_lease(self.now_ms())
            self.events += self.session.poll(self.now_ms())
            for event in self.events[begun:]:
                if wanted(event):
                    return event
            self.session.wait(0.05)
        raise AssertionError(f"nothing of the kind in {timeout_s} s; heard {self.events[begun:][-5:]}")

    def word_on(self, cmd_id: int, timeout_s: float = 5.0) -> Result:
        """The last word on a command."""
        found = self.until(lambda e: isinstance(e, Result) and e.cmd_id == cmd_id and e.status != "ACCEPTED", timeout_s)
        assert isinstance(found, Result)
        return found


@pytest.fixture(scope="module")
def talk() -> Iterator[BoardClient]:
    if not PORT:
        pytest.skip("no TOMATO_PORT: make hil PORT=/dev/ttyACM0")
    made = BoardClient()
    made.until(lambda e: isinstance(e, Connected), 20.0)
    yield made
    made.session.close()


def test_it_runs_this_versions_firmware(talk: BoardClient) -> None:
    assert talk.session.hello is not None
    assert talk.session.hello.schema_hash == SCHEMA_HASH


def test_samples_come_in_range_or_with_a_reason(talk: BoardClient) -> None:
    first = talk.until(lambda e: isinstance(e, Sample) and not e.backlog, 30.0)
    second = talk.until(lambda e: isinstance(e, Sample) and not e.backlog, 30.0)
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    for name, value in second.values.items():
        sensor = SENSOR_BY_NAME[name]
        if value is None:
            assert name in second.why
        else:
            assert sensor.lowest <= value <= sensor.highest, name
    assert second.t_ms > first.t_ms


def test_a_setting_is_read_back_in_good_time(talk: BoardClient) -> None:
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        said = talk.word_on(talk.session.configure("sample_period_ms", None))
        taken.append(time.perf_counter() - begun)
        assert said.status == "DONE"
        assert said.value is not None
    print(f"\ncommand to RESULT: median {sorted(taken)[10] * 1e3:.1f} ms, worst {max(taken) * 1e3:.1f} ms")
    assert sorted(taken)[10] < 0.25


def test_health_is_well_and_the_tick_holds_under_a_flood(talk: BoardClient) -> None:
    port = talk.session._port
    assert port is not None
    draw = random.Random(1)
    for _ in range(40):
        port.write(bytes(draw.randrange(1, 256) for _ in range(120)))
        talk.events += talk.session.poll(talk.now_ms())
        time.sleep(0.01)
    port.write(b"\0")
    talk.session.ask_health(talk.now_ms())
    health = talk.until(lambda e: isinstance(e, Health), 10.0)
    assert isinstance(health, Health)
    print(
        f"\nstate {health.state}, heap free {health.heap_free}, longest tick {health.tick_worst_us} us, "
        f"faults {health.faults}"
    )
    assert health.tick_worst_us < 50_000
    assert health.outputs == 0


def test_without_a_lease_nothing_moves(talk: BoardClient) -> None:
    said = talk.word_on(talk.session.pulse("circulation_fan", 1_000), 15.0)
    assert (said.status, said.reason) == ("REJECTED", "no_lease")


@pytest.mark.skipif(not ACTUATE, reason="moves an output: set TOMATO_ACTUATE=1")
def test_the_fan_runs_for_a_second_and_no_longer(talk: BoardClient) -> None:
    talk.lease = True
    talk.until(lambda e: isinstance(e, Sample) and e.state == "LEASED", 40.0)
    command = talk.session.pulse("circulation_fan", 1_000)
    said = talk.word_on(command, 15.0)
    assert (said.status, said.reason) == ("DONE", "none")
    assert said.delivered == pytest.approx(1_000, abs=60)
