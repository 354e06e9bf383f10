"""The line in memory behaves as a serial port does where a host can tell: counting, opening anew, filling up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tomato_host.twin.line_and_power import SerialLinkFaults
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.memory_line import LINE_HOLDS, MemoryLine, MemoryPort
from tomato_host.twin.serial_link import SimulatedLine

from tests.twin.conftest import PROBE_FIRMWARE


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[LockStep]:
    made = LockStep(1, flash=tmp_path, firmware=PROBE_FIRMWARE)
    yield made
    made.close()


def test_a_question_gets_its_answer_at_the_board_s_moment(twin: LockStep) -> None:
    port = twin.open_port()
    port.write(b"[time.sleep_ms(10), time.ticks_ms()]\n")
    assert port.bytes_written == 37
    ready = twin.advance(1_000, port.bytes_written)
    assert twin.now_ms == 10
    assert port.wait(0.0)
    answer = port.read()
    assert (answer, len(answer)) == (b"[None, 10]\n", ready)
    assert not port.wait(0.0) and port.read() == b""


def test_what_was_written_before_the_port_closed_still_arrives(twin: LockStep) -> None:
    first = twin.open_port()
    first.write(b"1 + 1\n")
    first.close()
    second = twin.open_port()
    second.write(b"2 + 2\n")
    while twin.advance(1_000, first.bytes_written + second.bytes_written):
        pass
    assert second.read() == b"2\n4\n"


def test_opening_throws_away_what_nobody_read() -> None:
    line = MemoryLine()
    line.put_to_host(b"old")
    assert MemoryPort(line).read() == b""


def test_nobody_reading_loses_bytes_and_blocks_nothing() -> None:
    line = MemoryLine()
    port = MemoryPort(line)
    assert line.put_to_host(b"x" * (LINE_HOLDS - 2)) == LINE_HOLDS - 2
    assert line.put_to_host(b"abcd") == 2, "the rest is dropped"
    assert line.put_to_host(b"e") == 0
    assert port.read()[-3:] == b"xab"
    assert line.put_to_host(b"f") == 1


def test_a_line_that_is_taken_away_twice_is_gone_once() -> None:
    """A board that cannot start takes its port away; who had asked for it closes it again."""
    line = SimulatedLine(SerialLinkFaults(), Random(1))
    line.close()
    before = os.listdir("/proc/self/fd")
    line.close()
    assert os.listdir("/proc/self/fd") == before
