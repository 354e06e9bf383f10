"""Lock step: bytes are counted, time lands where the host asks, and the machine's speed changes nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import serial
from tomato_host.twin import virtual_board
from tomato_host.twin.lockstep import LockStep

from tests.twin.conftest import PROBE_FIRMWARE


@pytest.fixture(autouse=True)
def probe_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_board, "firmware_dir", lambda: PROBE_FIRMWARE)


def talk(flash: Path, seed: int = 1, scenario: str | None = None, hold_up: bool = False) -> tuple[str, list[int]]:
    """A fixed conversation; returns a hash of every byte with its moment, and the moments."""
    twin = LockStep(seed, scenario, flash=flash)
    heard, moments, written = hashlib.sha256(), [], 0
    try:
        with serial.Serial(twin.port_path, timeout=0) as port:
            for i in range(60):
                question = b"i2c.writeto(0x44,b'\\xfd'),time.sleep_ms(10),i2c.readfrom(0x44,6),time.ticks_ms()\n"
                written += port.write(question)
                end_ms = (i + 1) * 1_000
                while twin.now_ms < end_ms:
                    ready = twin.advance(end_ms, written)
                    data = port.read(ready)
                    assert len(data) == ready
                    heard.update(f"{twin.now_ms}:".encode() + data)
                    if ready:
                        moments.append(twin.now_ms)
                    if hold_up:
                        sum(k * k for k in range(20_000))
    finally:
        twin.close()
    return heard.hexdigest(), moments


def test_answers_come_at_the_board_s_moment(tmp_path: Path) -> None:
    _, moments = talk(tmp_path)
    assert moments[:4] == [10, 1_010, 2_010, 3_010], "each answer comes after the conversion"


def test_two_runs_are_the_same_to_the_byte_even_on_a_busy_machine(tmp_path: Path) -> None:
    first, _ = talk(tmp_path / "a")
    second, _ = talk(tmp_path / "b", hold_up=True)
    other, _ = talk(tmp_path / "c", seed=2)
    assert first == second != other


def test_noise_and_cuts_are_repeatable_too(tmp_path: Path) -> None:
    noisy = [talk(tmp_path / str(i), scenario="link_noise@0+1,link_cut@0.005+0.002")[0] for i in range(2)]
    assert noisy[0] == noisy[1]


def test_silence_ends_exactly_at_the_asked_moment(tmp_path: Path) -> None:
    twin = LockStep(1, flash=tmp_path)
    try:
        assert twin.advance(50, 0) == 0
        assert twin.now_ms == 50
        assert twin.advance(12_345, 0) == 0
        assert twin.now_ms == 12_345
    finally:
        twin.close()


def test_cores_are_given_back(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    twin = LockStep(1, flash=tmp_path)
    assert len(os.sched_getaffinity(0)) == 1
    twin.close()
    assert os.sched_getaffinity(0) == before


def test_nobody_reading_blocks_nothing(tmp_path: Path) -> None:
    """With no host the line fills up and drops; the board's time goes on."""
    twin = LockStep(1, flash=tmp_path)
    try:
        with serial.Serial(twin.port_path, timeout=0) as port:
            written = port.write(b"'x' * 3000\n" * 8)
            while twin.now_ms < 5_000:
                twin.advance(5_000, written)
        assert twin.board.serial_link.lost_bytes > 0
    finally:
        twin.close()
