"""The tables of the line by themselves: no number twice, every name known, HELLO as it was on its first day."""

from __future__ import annotations

import zlib

import pytest
from tomato import contract as c
from tomato_host.board.protocol import BoardProtocol, Hello, Received

from shared_schemas import devices, wire
from shared_schemas.wire import schema_hash
from shared_schemas.wire.messages import MESSAGES

FROZEN_MESSAGES = {"HELLO": 1, "HEALTH": 2, "STOP_ALL": 7}
FROZEN_HELLO = {
    "schema_hash": 32,
    "boot_id": 33,
    "firmware": 34,
    "board": 35,
    "uid": 36,
    "uptime_ms": 37,
    "reset_cause": 38,
    "config_crc": 39,
}


def test_no_number_stands_twice() -> None:
    for numbers in (
        [m.type_id for m in MESSAGES],
        [f.key for f in wire.FIELDS],
        [f.wire_id for f in wire.FAULTS],
        [k.key for k in wire.CONFIG_KEYS],
        [o.wire_id for o in devices.OUTPUTS],
        [s.wire_id for s in devices.SENSORS],
    ):
        assert len(numbers) == len(set(numbers))
        assert min(numbers) >= 0


def test_positions_are_numbers_where_the_body_counts_on_it() -> None:
    assert [f.key for f in wire.FIELDS] == list(range(len(wire.FIELDS)))
    assert [o.wire_id for o in devices.OUTPUTS] == list(range(len(devices.OUTPUTS)))
    assert [s.wire_id for s in devices.SENSORS] == list(range(len(devices.SENSORS)))
    assert [k.key for k in wire.CONFIG_KEYS] == list(range(len(wire.CONFIG_KEYS)))


def test_messages_name_only_fields_there_are_and_never_take_number_3() -> None:
    for message in MESSAGES:
        assert message.type_id != 3
        assert {*message.required, *message.optional, *message.answer} <= set(wire.FIELD_BY_NAME)
        assert bool(message.answer) == (message.direction == "both")


def test_ranges_are_ranges_and_defaults_lie_in_them() -> None:
    assert all(f.lowest <= f.highest for f in wire.FIELDS)
    assert all(k.lowest <= k.default <= k.highest for k in wire.CONFIG_KEYS)
    assert all(s.lowest < s.highest and s.scale >= 1 for s in devices.SENSORS)


def test_every_need_and_every_blocked_output_is_known() -> None:
    for fault in wire.FAULTS:
        assert all(name == "*" or name in devices.OUTPUT_BY_NAME for name in fault.blocks)


@pytest.mark.parametrize("output", devices.OUTPUTS, ids=lambda o: o.name)
def test_every_output_is_bounded(output: devices.Output) -> None:
    assert 0 < output.max_on_ms <= 900_000
    assert output.min_off_ms >= 0
    assert 0 < output.hour_budget <= output.day_budget
    assert output.day_budget <= 86_400
    assert output.max_dose > 0
    assert output.safe_state == "off"
    assert output.needs, "at least the emergency stop"
    assert output.dose_unit == ("ml" if output.budget_unit == "ml" else "ms")


def test_what_every_version_must_understand_keeps_its_numbers() -> None:
    assert {m.name: m.type_id for m in MESSAGES if m.always_allowed} == FROZEN_MESSAGES
    assert {name: wire.FIELD_BY_NAME[name].key for name in wire.MESSAGE_BY_NAME["HELLO"].answer} == FROZEN_HELLO
    assert wire.MESSAGE_BY_NAME["STOP_ALL"].required == ()
    assert wire.MESSAGE_BY_NAME["HELLO"].required == ("schema_hash",)


def test_the_hash_moves_with_a_number_and_not_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    before = schema_hash.compute_schema_hash()
    assert before == wire.SCHEMA_HASH == c.SCHEMA_HASH
    first, *rest = schema_hash.CONFIG_KEYS
    monkeypatch.setattr(schema_hash, "CONFIG_KEYS", (replace(first, meaning="other words"), *rest))
    assert schema_hash.compute_schema_hash() == before
    monkeypatch.setattr(schema_hash, "CONFIG_KEYS", (replace(first, highest=first.highest + 1), *rest))
    assert schema_hash.compute_schema_hash() != before


def golden_board_hello() -> bytes:
    """What a board said on the day HELLO was frozen: written out byte by byte, not with our own encoder."""
    body = bytes.fromhex(
        "a8"
        "1820480102030405060708"
        "1821193039"
        "182265302e312e30"
        "1823647069636f"
        "182448e6614104031b0c2a"
        "18251a0001e240"
        "182601"
        "18271adeadbeef"
    )
    payload = bytes((1, 1, 0x01, 0x2A, 0, 9)) + body
    payload += zlib.crc32(payload).to_bytes(4, "big")
    out, code = bytearray(b"\0"), b""
    for byte in payload:
        if byte:
            code += bytes((byte,))
        else:
            out += bytes((len(code) + 1,)) + code
            code = b""
    return bytes(out + bytes((len(code) + 1,)) + code + b"\0")


def test_the_golden_hello_of_a_board_is_understood_for_ever() -> None:
    (message,) = BoardProtocol(0x12A).receive_bytes(golden_board_hello())
    assert isinstance(message, Received)
    assert (message.name, message.session, message.seq) == ("HELLO", 0x12A, 9)
    assert Hello.from_fields(message.fields) == Hello(
        bytes(range(1, 9)), 12_345, "0.1.0", "pico", bytes.fromhex("e6614104031b0c2a"), 123_456, 1, 0xDEADBEEF
    )


def test_the_host_says_hello_in_the_golden_bytes() -> None:
    said = BoardProtocol(0x12A).send("HELLO", schema_hash=bytes(range(1, 9)))
    payload = bytes.fromhex("0101012a0000a11820480102030405060708")
    payload += zlib.crc32(payload).to_bytes(4, "big")
    assert said[0] == said[-1] == 0
    from cobs import cobs

    assert cobs.decode(said[1:-1]) == payload
