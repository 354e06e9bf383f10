"""The twin's end of the side channel: whole records out of any portions, and a VM that is gone or hangs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tomato_host.twin.vm_channel import ANSWER, NO_VALUES, RECORD, VmChannel, VmGone, VmHangs


@pytest.fixture
def channel() -> Iterator[VmChannel]:
    made = VmChannel(hang_s=0.05)
    yield made
    made.close()


def test_records_come_whole_whatever_the_portions(channel: VmChannel) -> None:
    records = [(1, 0, 0, k, 1_000 + k, -k) for k in range(5)]
    data = b"".join(RECORD.pack(*record) for record in records)
    for portion in (data[:7], data[7:50], data[50:]):
        os.write(channel.vm_ends.writes, portion)
    assert [channel.receive() for _ in records] == records
    channel.vm_ends.close()


def test_an_answer_is_one_whole_piece(channel: VmChannel) -> None:
    channel.answer(2, 3, 4, 5, 6, -1, *NO_VALUES)
    data = os.read(channel.vm_ends.reads, 4_096)
    assert ANSWER.unpack(data) == (2, 3, 4, 5, 6, -1, *NO_VALUES)
    channel.vm_ends.close()


def test_a_silent_vm_hangs_and_a_dead_one_is_gone(channel: VmChannel) -> None:
    os.write(channel.vm_ends.writes, b"\x01" * (RECORD.size - 1))
    with pytest.raises(VmHangs):
        channel.receive()
    channel.vm_ends.close()
    with pytest.raises(VmGone):
        channel.receive()
    with pytest.raises(VmGone):
        channel.answer(0, 0, 0, 0, 0, 0, *NO_VALUES)
