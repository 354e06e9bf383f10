"""The host's session against the board's own code: nothing lost, nothing twice, quiet recovery."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato import contract as c
from tomato_host.board.clock_sync import ClockSync, Exchange
from tomato_host.board.events import (
    BoardEvent,
    Connected,
    Disconnected,
    Health,
    Mismatch,
    ProtocolFault,
    Result,
    Sample,
)
from tomato_host.board.port import PortLost
from tomato_host.board.session import BoardSession

from shared_schemas.wire import SCHEMA_HASH
from tests.board.bench import Bench, clean


@pytest.fixture
def bench() -> Bench:
    ready = Bench()
    ready.connect()
    return ready


def results(bench: Bench, cmd_id: int) -> list[tuple[str, str]]:
    return [(r.status, r.reason) for r in bench.of(Result) if r.cmd_id == cmd_id]


def test_it_connects_and_hears_samples_in_physical_units(bench: Bench) -> None:
    bench.run(30_000)
    (connected,) = bench.of(Connected)
    assert connected.hello.boot_id == 101
    sample = bench.of(Sample)[-1]
    assert sample.values["air_temp_c"] == 24.0
    assert sample.values["soil_p1_raw"] == 40_000
    assert sample.state == "LEASED"
    assert sorted(s.seq for s in bench.of(Sample)) == list(range(len(bench.of(Sample))))


def test_a_pulse_is_accepted_and_done_with_what_was_delivered(bench: Bench) -> None:
    command = bench.session.pulse("circulation_fan", 4_000)
    bench.run(6_000)
    assert results(bench, command) == [("ACCEPTED", "none"), ("DONE", "none")]
    assert [r.delivered for r in bench.of(Result) if r.status == "DONE"] == [pytest.approx(4_000, abs=60)]
    assert bench.session.awaiting == 0


def test_a_refusal_carries_its_reason(bench: Bench) -> None:
    bench.board.core.inputs.estop = 1
    command = bench.session.pulse("circulation_fan", 4_000)
    bench.run(1_000)
    assert results(bench, command)[0][0] == "REJECTED"
    assert results(bench, command)[0][1] in ("estop", "fault_latched", "state")


def test_a_lost_command_is_repeated_under_its_name_and_moves_once(bench: Bench) -> None:
    bench.down = lambda data: b""
    command = bench.session.pulse("circulation_fan", 3_000)
    bench.run(500)
    bench.down = clean
    bench.run(8_000)
    assert results(bench, command) == [("ACCEPTED", "none"), ("DONE", "none")]
    starts = [e for e in bench.of(BoardEvent) if e.name == "pulse_start" and e.a == c.OUT_CIRCULATION_FAN]
    assert len(starts) == 1


def test_a_lost_answer_is_asked_for_and_moves_nothing_twice(bench: Bench) -> None:
    bench.run(60_000)  # the pump's minimum pause counts from boot
    bench.up = lambda data: b""
    command = bench.session.pulse("water_pump", 50)
    bench.run(4_000)
    bench.up = clean
    bench.run(30_000)
    assert [status for status, _ in results(bench, command)][-1] == "DONE"
    starts = [e for e in bench.of(BoardEvent) if e.name == "pulse_start" and e.a == c.OUT_WATER_PUMP]
    assert len(starts) == 1


def test_a_port_that_vanishes_is_told_and_found_again_with_nothing_lost(bench: Bench) -> None:
    bench.run(20_000)
    bench.is_cut = True
    assert any(isinstance(e, Disconnected) for e in bench.run(60_000))
    bench.is_cut = False
    bench.run(60_000)
    assert len(bench.of(Connected)) == 2
    seqs = [s.seq for s in bench.of(Sample)]
    assert sorted(seqs) == list(range(max(seqs) + 1)), "every sample taken while away arrives"
    assert len(set(seqs)) == len(seqs), "and none twice"
    assert any(s.backlog for s in bench.of(Sample))


def test_a_board_reset_ends_what_was_under_way_and_starts_a_new_time_line(bench: Bench) -> None:
    command = bench.session.pulse("circulation_fan", 600_000)
    bench.run(2_000)
    bench.board.reset(bench.now_ms)
    bench.run(30_000)
    assert results(bench, command) == [("ACCEPTED", "none"), ("ABORTED", "reset")]
    assert [e.hello.boot_id for e in bench.of(Connected)] == [101, 102]
    assert bench.of(Sample)[-1].boot_id == 102


def test_silence_is_noticed_without_a_lost_port(bench: Bench) -> None:
    bench.up = lambda data: b""
    reported = [e for e in bench.run(40_000) if isinstance(e, Disconnected)]
    assert len(reported) == 1
    assert "no answer for" in reported[0].why
    bench.up = clean
    bench.run(10_000)
    assert bench.session.up


def test_noise_is_reported_and_survived(bench: Bench) -> None:
    bench.up = lambda data: bytes(bench.random.randrange(256) for _ in range(40)) + data
    bench.run(30_000)
    bench.up = clean
    count = len(bench.of(Sample))
    bench.run(30_000)
    assert len(bench.of(ProtocolFault)) > 10
    assert len(bench.of(Sample)) >= count + 3
    seqs = sorted(s.seq for s in bench.of(Sample))
    assert seqs == list(range(len(seqs)))


def test_health_tells_state_budgets_and_faults(bench: Bench) -> None:
    bench.session.ask_health(bench.now_ms)
    bench.run(200)
    health = bench.of(Health)[-1]
    assert health.state == "LEASED"
    assert len(health.day_used) == len(c.OUTPUTS)
    assert health.faults == ("config_lost",), "this board was never configured, and says so"


def test_without_renewal_the_lease_lapses_and_the_output_falls(bench: Bench) -> None:
    bench.session.pulse("circulation_fan", 600_000)
    bench.run(1_000)
    assert bench.board.core.outputs & (1 << c.OUT_CIRCULATION_FAN)
    bench.leased = False
    bench.run(6_000)
    assert not bench.board.core.outputs & (1 << c.OUT_CIRCULATION_FAN)


@given(seed=st.integers(0, 10_000), loss=st.floats(0.0, 0.35), flips=st.floats(0.0, 0.2))
@settings(max_examples=15, deadline=None)
def test_on_a_bad_cable_each_pulse_moves_once_and_each_sample_arrives_once(
    seed: int, loss: float, flips: float
) -> None:
    bench = Bench(seed)
    bench.connect()

    def spoil(data: bytes) -> bytes:
        if not data or bench.random.random() < loss:
            return b""
        if bench.random.random() < flips:
            at = bench.random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << bench.random.randrange(8)]) + data[at + 1 :]
        return data + data if bench.random.random() < 0.1 else data

    bench.up = bench.down = spoil
    command = bench.session.pulse("circulation_fan", 5_000)
    bench.run(40_000)
    bench.up = bench.down = clean
    bench.run(40_000)
    starts = [e for e in bench.of(BoardEvent) if e.name == "pulse_start" and e.a == c.OUT_CIRCULATION_FAN]
    final = [status for status, _ in results(bench, command) if status != "ACCEPTED"]
    assert len(starts) <= 1
    assert len(final) == 1, "one last word, whatever happened"
    seqs = [s.seq for s in bench.of(Sample)]
    assert len(set(seqs)) == len(seqs)
    assert sorted(seqs) == list(range(max(seqs) + 1))


def test_another_schema_is_told_with_both_hashes_and_nothing_is_commanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "SCHEMA_HASH", b"\xde\xad\xbe\xef\0\0\0\1")
    bench = Bench()
    bench.run(15_000)
    reported = bench.of(Mismatch)
    assert reported
    assert "deadbeef00000001" in reported[0].text
    assert SCHEMA_HASH.hex() in reported[0].text
    assert not bench.session.up
    assert bench.of(Connected) == []
    monkeypatch.setattr(c, "SCHEMA_HASH", SCHEMA_HASH)
    bench.run(15_000)
    assert bench.session.up, "once it is flashed, the same session goes on"


def test_an_offset_and_a_drift_are_found_behind_jitter() -> None:
    clock, draw = ClockSync(), random.Random(5)
    host_ms = 0.0
    while host_ms < 1_800_000:
        board_ms = 5_000 + host_ms * (1 + 80e-6)
        there, back = 2 + draw.expovariate(0.05), 2 + draw.expovariate(0.05)
        clock.add(Exchange(host_ms, board_ms + there, board_ms + there, host_ms + there + back))
        host_ms += 60_000
    assert clock.drift_ppm == pytest.approx(80, abs=25)
    assert clock.board_from_host_ms(host_ms) == pytest.approx(5_000 + host_ms * (1 + 80e-6), abs=25)
    assert clock.host_from_board_ms(clock.board_from_host_ms(123_456.0)) == pytest.approx(123_456.0, abs=1e-6)
    assert not clock.add(Exchange(10, 5, 4, 9)), "times that run backwards are no exchange"
    clock.reset()
    assert not clock.known


def test_nothing_is_acknowledged_before_the_caller_had_it(bench: Bench) -> None:
    acked: list[tuple[int, int]] = []
    wire_ack = bench.board.session.handlers[c.M_ACK_UPTO]

    def ack(now_ms: int, msg: dict[int, int]) -> None:
        if c.F_UP_TO in msg:
            acked.append((msg[c.F_UP_TO], stored))
        wire_ack(now_ms, msg)

    bench.board.session.handlers[c.M_ACK_UPTO] = ack
    stored = -1
    for _ in range(3_000):
        for event in bench.run(50):
            if isinstance(event, Sample):
                stored = event.seq
    assert len(acked) >= 2
    assert all(up_to <= had for up_to, had in acked)


def test_what_an_earlier_process_has_stored_is_not_handed_out_again(bench: Bench) -> None:
    bench.run(45_000)
    stored = {(s.boot_id, s.seq) for s in bench.of(Sample)}
    retained = bench.board.session.ring.count
    assert retained > 0
    bench.events.clear()
    bench.session = BoardSession(bench._open, 8, lambda sample: (sample.boot_id, sample.seq) in stored)
    bench.run(60_000)
    again = {(s.boot_id, s.seq) for s in bench.of(Sample)}
    assert again
    assert not again & stored
    assert sorted(seq for _, seq in again | stored) == list(range(len(again | stored)))


class LostPort:
    """A line whose device is gone: asked for anything, it says so."""

    def fileno(self) -> int:
        raise PortLost("unplugged")


def test_a_session_without_a_line_or_with_a_lost_one_has_no_descriptor() -> None:
    session = BoardSession(LostPort, 1)  # type: ignore[arg-type]
    assert session.fileno() == -1
    session.open_now()
    assert session.fileno() == -1
