"""SIGKILL at random moments during appends: nothing acknowledged is lost, no file becomes unreadable."""

from __future__ import annotations

import os
import random
import select
import signal
import struct
import time
from pathlib import Path

import pytest
from tomato_host.storage import Dataset, appender
from tomato_host.storage.reader import read_all
from tomato_host.storage.settings import Fsync
from tomato_host.storage.verify import verify

from tests.storage.samples import action, event

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

LONG_TEXT = "x" * 3_900
"""Longer than half a page, so that lines straddle pages, where a kill can tear a write."""

_ACK = struct.Struct("<Q")


def _append_for_ever(root: Path, fsync: Fsync, acks: int) -> None:
    """The victim: append to several streams, rotating often, and report each acknowledged count."""
    dataset = Dataset.open(root, fsync=fsync, rotate="size", max_bytes=40_000)
    number = dataset.records
    while True:
        number += 1
        record = action(number) if number % 5 == 0 else event(number, text=LONG_TEXT if number % 2 else "short")
        receipt = dataset.append(record)
        assert receipt is not None
        os.write(acks, _ACK.pack(receipt.n))


def _write_in_halves() -> None:
    """Give each write a soft spot in its middle, so that many kills leave half a line behind."""
    real_write = os.write

    def slow(fd: int, data: bytes) -> int:
        if len(data) < 64:
            return real_write(fd, data)
        time.sleep(0.0003)
        return real_write(fd, bytes(data)[: len(data) // 2 + 1])

    appender.os.write = slow  # type: ignore[assignment]  # the victim is a process of its own and dies with it


def _kill_once(root: Path, fsync: Fsync, chance: random.Random, in_halves: bool) -> int:
    """Fork a victim, kill it at a random moment, return the last count it acknowledged (0 for none)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            if in_halves:
                _write_in_halves()
            _append_for_ever(root, fsync, writer)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        if chance.random() < 0.9:
            select.select([reader], [], [], 10.0)
            time.sleep(chance.uniform(0.0, 0.012))
        else:
            time.sleep(chance.uniform(0.0, 0.02))  # perhaps in the middle of opening and repairing
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    acknowledged = b""
    while chunk := os.read(reader, 1 << 16):
        acknowledged += chunk
    os.close(reader)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the victim died by itself"
    whole = len(acknowledged) // _ACK.size * _ACK.size
    return 0 if not whole else _ACK.unpack(acknowledged[whole - _ACK.size : whole])[0]


def campaign(base: Path, kills: int, fsync: Fsync, seed: int, in_halves: bool = False) -> tuple[int, int]:
    """Returns the acknowledged records and the torn tails met. Asserts after every 50 kills of one dataset."""
    chance = random.Random(seed)
    acknowledged = torn = 0
    kills_per_dataset = 50
    for start in range(0, kills, kills_per_dataset):
        root = base / f"{fsync}_{start}"
        last = 0
        for _ in range(min(kills_per_dataset, kills - start)):
            last = max(last, _kill_once(root, fsync, chance, in_halves))
        with Dataset.open(root, fsync=fsync) as dataset:
            assert dataset.records >= last, "an acknowledged record is gone"
        result = verify(root)
        assert result.ok, [problem.text for problem in result.problems]
        counts = [line.link.n for line in read_all(root)]
        assert counts == list(range(1, len(counts) + 1)) and len(counts) >= last
        torn += len(result.torn_files)
        acknowledged += last
    return acknowledged, torn


def test_no_acknowledged_record_is_lost_by_300_kills(tmp_path: Path) -> None:
    acknowledged, _ = campaign(tmp_path, kills=300, fsync="always", seed=20_260_214)
    # Nine victims of ten live to their first acknowledgement, however slow the disk.
    assert acknowledged > 200


def test_kills_lose_nothing_without_fsync_either(tmp_path: Path) -> None:
    # A killed process leaves its writes with the system; only a power cut needs fsync.
    acknowledged, _ = campaign(tmp_path, kills=30, fsync="never", seed=2)
    assert acknowledged > 20


def test_kills_in_the_middle_of_a_line_leave_a_tail_that_is_repaired(tmp_path: Path) -> None:
    acknowledged, torn = campaign(tmp_path, kills=60, fsync="never", seed=4, in_halves=True)
    assert acknowledged > 30 and torn >= 5


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_5000_kills(tmp_path: Path) -> None:
    acknowledged, _ = campaign(tmp_path, kills=5_000, fsync="always", seed=3)
    assert acknowledged > 4_000
