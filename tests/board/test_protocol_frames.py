"""The host's codec frame by frame: layout, limits, every kind of damage by name, counts, and the ranges of fields."""

from __future__ import annotations

import zlib
from typing import Any

import cbor2
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.board.protocol import (
    CRC_BYTES,
    FRAME_MAX,
    HEADER_BYTES,
    PAYLOAD_MAX,
    BoardProtocol,
    Damage,
    Hello,
    LinkCounts,
    Received,
    calm_session,
    encode_frame,
)

from shared_schemas.wire import FIELD_BY_NAME
from tests.board.scripted import HELLO
from tests.board.test_session_timing import HEALTH

SAMPLE, EVENT, TIME, RESULT = 9, 10, 13, 16
TIME_BODY = {27: 1, 28: 2, 29: 3}


def received(*frames: bytes) -> list[Received | Damage]:
    return BoardProtocol(1).receive_bytes(b"".join(frames))


def framed(type_id: int, body: Any, session: int = 1, seq: int = 0) -> bytes:
    return encode_frame(type_id, session, seq, cbor2.dumps(body))


def stuffed(payload: bytes, crc: bytes | None = None) -> bytes:
    payload += zlib.crc32(payload).to_bytes(4, "big") if crc is None else crc
    return b"\0" + bytes(cobs.encode(payload)) + b"\0"


def test_the_layout_of_a_frame_byte_by_byte() -> None:
    frame = encode_frame(7, 0x1234, 0x5678, b"\xa0")
    payload = cobs.decode(frame[1:-1])
    assert frame[0] == frame[-1] == 0 and 0 not in frame[1:-1]
    assert payload[:7] == bytes([1, 7, 0x12, 0x34, 0x56, 0x78, 0xA0])
    assert payload[7:] == zlib.crc32(payload[:7]).to_bytes(4, "big")
    assert (FRAME_MAX, PAYLOAD_MAX, HEADER_BYTES, CRC_BYTES) == (256, 253, 6, 4)


def test_a_frame_has_256_bytes_at_most() -> None:
    assert len(encode_frame(7, 1, 1, b"x" * 243)) == 256
    with pytest.raises(ValueError, match="frame of 254 bytes; 253 at most"):
        encode_frame(7, 1, 1, b"x" * 244)


@pytest.mark.parametrize(
    ("frame", "why", "size"),
    [
        (b"\0\x05ab\0", "broken stuffing", 3),
        (stuffed(b"\1\x0d\0\1\0"), "wrong length", 10),
        (stuffed(b"\1" * 250), "wrong length", 255),
        (stuffed(b"\1\x0d\0\1\0\0\xa0", b"abcd"), "wrong checksum", 12),
        (stuffed(b"\2\x0d\0\1\0\0\xa0"), "frame version 2", 12),
        (framed(99, {}), "unknown message type 99", 7),
        (framed(5, {1: 1}), "unknown message type 5", 9),
        (stuffed(b"\1\x0d\0\1\0\0\xff"), "TIME: CBORDecodeValueError", 7),
        (framed(TIME, [1]), "TIME: body is no map", 8),
        (framed(TIME, {27: 1, 29: 3}), "TIME: t2_ms missing", 13),
        (framed(TIME, TIME_BODY | {28: -1}), "TIME: t2_ms out of range", 16),
        (framed(TIME, TIME_BODY | {28: "2"}), "TIME: t2_ms out of range", 17),
        (framed(TIME, TIME_BODY | {28: True}), "TIME: t2_ms out of range", 16),
        (framed(TIME, TIME_BODY | {28: 2.5}), "TIME: t2_ms out of range", 24),
        (framed(EVENT, {9: 0, 8: 0, 16: 256, 17: 0, 18: 0}), "EVENT: event out of range", 19),
    ],
)
def test_each_kind_of_damage_has_its_name_and_size(frame: bytes, why: str, size: int) -> None:
    (damage,) = received(frame)
    assert isinstance(damage, Damage)
    assert (damage.why if "CBORDecode" not in why else damage.why[:16]) == (
        why if "CBORDecode" not in why else why[:16]
    )
    assert damage.size == size


def test_a_header_alone_with_its_checksum_is_a_frame() -> None:
    (damage,) = received(stuffed(b"\1\x0d\0\1\0\0"))
    assert isinstance(damage, Damage) and damage.why.startswith("TIME: ") and damage.size == 6


def test_a_message_comes_by_name_with_session_and_number() -> None:
    (message,) = received(framed(TIME, TIME_BODY, session=0x1234, seq=0x0506))
    assert message == Received("TIME", 0x1234, 0x0506, {"t1_ms": 1, "t2_ms": 2, "t3_ms": 3})


def test_the_answer_of_a_message_that_goes_both_ways_needs_its_own_fields() -> None:
    assert isinstance(received(framed(2, {}))[0], Damage)
    assert isinstance(received(framed(2, {FIELD_BY_NAME[k].key: v for k, v in HEALTH.items()}))[0], Received)


def test_unknown_fields_of_a_newer_board_are_dropped_and_whole_floats_are_numbers() -> None:
    (message,) = received(framed(TIME, TIME_BODY | {28: 2.0, 200: 1, "x": 2, 29: 3}))
    assert isinstance(message, Received) and message.fields == {"t1_ms": 1, "t2_ms": 2, "t3_ms": 3}
    assert type(message.fields["t2_ms"]) is int
    (sample,) = received(framed(SAMPLE, {9: 0, 8: 0, 10: [1.0, None, 2], 12: 0, 13: 0}))
    assert isinstance(sample, Received) and sample.fields["values"] == [1, None, 2]


def sample_with(**changes: Any) -> bool:
    body = {"seq": 0, "t_ms": 0, "values": [1], "outputs": 0, "state": 0} | changes
    (found,) = received(framed(SAMPLE, {FIELD_BY_NAME[k].key: v for k, v in body.items()}))
    return isinstance(found, Received)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"values": [1, None]}, True),
        ({"values": [1, "x"]}, False),
        ({"values": [True]}, False),
        ({"values": 1}, False),
        ({"why": {0: 1}}, True),
        ({"why": {"a": 1}}, False),
        ({"why": {0: "a"}}, False),
        ({"why": [0]}, False),
        ({"outputs": 65_535}, True),
        ({"outputs": 65_536}, False),
        ({"outputs": 0}, True),
        ({"outputs": -1}, False),
    ],
)
def test_types_and_ranges_of_received_fields(changes: dict[str, Any], fits: bool) -> None:
    assert sample_with(**changes) is fits


def test_counts_are_lists_of_whole_numbers_without_gaps() -> None:
    def health(counts: Any) -> bool:
        body = HEALTH | {"hour_used": counts}
        return isinstance(received(framed(2, {FIELD_BY_NAME[k].key: v for k, v in body.items()}))[0], Received)

    assert health([1, 2]) and not health([1, None]) and not health("ab") and not health([1.5])


def hello_with(**changes: Any) -> bool:
    body = HELLO | changes
    return isinstance(received(framed(1, {FIELD_BY_NAME[k].key: v for k, v in body.items()}))[0], Received)


def test_texts_and_bytes_have_their_lengths() -> None:
    assert hello_with(firmware="x" * 24) and not hello_with(firmware="x" * 25) and not hello_with(firmware=b"x")
    assert hello_with(uid=b"x" * 16) and not hello_with(uid=b"x" * 17) and not hello_with(uid="x")
    assert not hello_with(schema_hash=b"1234567") and not hello_with(schema_hash=b"123456789")


def test_a_hello_is_its_fields() -> None:
    (message,) = received(framed(1, {FIELD_BY_NAME[k].key: v for k, v in HELLO.items()}))
    assert isinstance(message, Received)
    assert Hello.from_fields(message.fields | {"cmd_id": 1}) == Hello(**HELLO)


def test_what_is_sent_is_checked_against_the_table() -> None:
    protocol = BoardProtocol(1)
    for name, fields, why in (
        ("SAMPLE", {}, "SAMPLE is only sent by the board"),
        ("STOP", {"cmd_id": 1}, r"STOP: missing \['output'\], not allowed \[\]"),
        ("STOP", {"cmd_id": 1, "output": 1, "amount": 2}, r"missing \[\], not allowed \['amount'\]"),
        ("STOP", {"cmd_id": 0, "output": 1}, "cmd_id = 0, allowed 1 to 1073741823"),
        ("STOP", {"cmd_id": 1.0, "output": 1}, "cmd_id = 1.0"),
        ("HELLO", {"schema_hash": b"1"}, "allowed 8 to 8"),
        ("STOP", {"cmd_id": 1, "output": [1]}, r"output = \[1\], allowed 0 to 31"),
    ):
        with pytest.raises(ValueError, match=why):
            protocol.send(name, **fields)
    assert protocol.counts == LinkCounts(), "nothing was sent"
    for name, fields in (("STOP_ALL", {}), ("LEASE", {"cmd_id": 1}), ("TIME", {"t1_ms": 2**53 - 1})):
        protocol.send(name, **fields)
    assert protocol.counts.frames_out == 3


def test_numbers_of_frames_count_up_and_begin_anew_after_65535() -> None:
    protocol = BoardProtocol(1)
    numbers = [int.from_bytes(cobs.decode(protocol.send("STOP_ALL")[1:-1])[4:6], "big") for _ in range(65_538)]
    assert numbers == [*range(65_536), 0, 1]


def test_traffic_is_counted() -> None:
    protocol = BoardProtocol(1)
    frame = protocol.send("STOP_ALL")
    good, bad = framed(TIME, TIME_BODY, seq=0), stuffed(b"\1\x0d\0\1\0\0\xa0", b"abcd")
    protocol.receive_bytes(good + bad)
    assert protocol.counts == LinkCounts(1, 1, len(good + bad), len(frame), 1, 0)


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 5], 0),
        ([7, 5], 0),
        ([65_535, 0], 0),
        ([65_535, 2], 2),
        ([0, 0x7FFF + 1], 0x7FFF),
        ([0, 0x8000 + 1], 0),
        ([1], 0),
    ],
)
def test_frames_that_never_came_are_counted_by_their_numbers(numbers: list[int], gaps: int) -> None:
    protocol = BoardProtocol(1)
    for number in numbers:
        protocol.receive_bytes(framed(TIME, TIME_BODY, seq=number))
    assert protocol.counts.gaps == gaps


def test_noise_without_an_end_is_discarded_and_the_next_frame_is_whole() -> None:
    protocol = BoardProtocol(1)
    assert protocol.receive_bytes(b"\7" * 256) == [], "a frame may still end here"
    assert protocol.receive_bytes(b"\7") == [Damage("no end of frame", 257)]
    found = protocol.receive_bytes(b"\7\7" + framed(TIME, TIME_BODY))
    assert [type(f) for f in found] == [Damage, Received] and protocol.counts.damaged == 2
    assert protocol.receive_bytes(b"\0\0\0") == []


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 5))
def test_portions_do_not_matter(cuts: list[int], copies: int) -> None:
    data = framed(TIME, TIME_BODY) * copies
    protocol, found, at = BoardProtocol(1), [], 0
    while at < len(data):
        size = cuts[at % len(cuts)]
        found += protocol.receive_bytes(data[at : at + size])
        at += size
    assert [type(f) for f in found] == [Received] * copies and protocol.counts.bytes_in == len(data)


def test_calm_frames_leave_numbers_out_and_count_only_what_is_sent() -> None:
    protocol = BoardProtocol(calm_session(1))
    sizes = [len(protocol.send_calm("STOP_ALL")) for _ in range(600)]
    assert protocol.counts.frames_out == 600 and protocol.counts.bytes_out == sum(sizes)
    first = BoardProtocol(calm_session(1))
    assert cobs.decode(first.send_calm("STOP_ALL")[1:-1])[4:6] == b"\1\1", "a zero would be stuffed"
    assert (calm_session(0), calm_session(1), calm_session(2), calm_session(252)) == (0x0101, 0x0102, 0x0106, 0x0201)
    assert calm_session(63_504) == calm_session(0)
