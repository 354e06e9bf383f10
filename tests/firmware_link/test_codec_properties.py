"""The body's codec against cbor2 and cobs, with inputs nobody thought of."""

from __future__ import annotations

import math
from typing import Any

import cbor2
from cobs import cobs as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato.core import cobs
from tomato.core.cbor import CborError
from tomato.core.frame import BODY_MAX
from tomato_host.board.protocol import BoardProtocol, Damage, encode_frame

from tests.firmware_link.test_codec import frame, frames_in, read, wrote

INTEGERS = st.integers(-(2**64), 2**64 - 1)
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.binary(max_size=40), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.one_of(INTEGERS, st.text(max_size=6)), inner, max_size=5)
    ),
    max_leaves=12,
)


def depth(value: Any) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(VALUES.filter(lambda value: depth(value) <= 4))
def test_what_one_writes_the_other_reads(value: Any) -> None:
    assert cbor2.loads(wrote(value, 4096)) == value
    assert read(cbor2.dumps(value)) == value


@given(st.floats(allow_nan=True), st.booleans())
def test_floats_of_every_width_are_read(value: float, canonical: bool) -> None:
    got = read(cbor2.dumps(value, canonical=canonical))
    assert got == value or (math.isnan(got) and math.isnan(value))


@given(st.binary(max_size=300))
@settings(max_examples=500)
def test_random_bytes_end_in_a_value_or_a_named_error(data: bytes) -> None:
    try:
        read(data)
    except CborError as error:
        assert str(error)


@given(st.binary(max_size=250))
def test_stuffing_is_that_of_the_reference(data: bytes) -> None:
    out = bytearray(300)
    end = cobs.encode(bytearray(data), len(data), out, 0)
    assert bytes(out[:end]) == reference.encode(data)
    assert cobs.decode(out, end) == len(data)
    assert bytes(out[: len(data)]) == data


@given(st.integers(1, 255), st.integers(0, 0xFFFF), st.binary(max_size=BODY_MAX))
def test_both_ends_frame_alike(type_id: int, session: int, body: bytes) -> None:
    assert frame(body, type_id, session) == encode_frame(type_id, session, 0, body)
    assert frames_in(encode_frame(type_id, session, 5, body)) == [(type_id, session, body)]


@given(st.lists(st.binary(max_size=400), max_size=6))
@settings(max_examples=300)
def test_the_host_takes_any_bytes_in_any_portions(portions: list[bytes]) -> None:
    protocol = BoardProtocol(1)
    found = [message for data in portions for message in protocol.receive_bytes(data)]
    assert all(isinstance(message, Damage) for message in found)
    good = cbor2.dumps({27: 1, 28: 2, 29: 3})
    (message,) = [m for m in protocol.receive_bytes(b"\0" + encode_frame(13, 1, 0, good)) if not isinstance(m, Damage)]
    assert message.name == "TIME"
