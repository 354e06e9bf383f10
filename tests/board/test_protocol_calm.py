"""What the host sends before a board has answered holds no byte that MicroPython's console acts on."""

from __future__ import annotations

import pytest
from tomato_host.board.protocol import CONSOLE_BYTES, BoardProtocol, calm_session

from shared_schemas.wire import SCHEMA_HASH, schema_hash
from tests.board.bench import Bench


def test_any_number_gives_a_session_of_its_own() -> None:
    sessions = {calm_session(n) for n in range(63_504)}
    assert len(sessions) == 63_504
    assert all(0 < s <= 0xFFFF for s in sessions)


@pytest.mark.parametrize("name", ["HELLO", "HEALTH", "STOP_ALL"])
def test_a_thousand_first_frames_hold_none_of_them(name: str) -> None:
    fields = {"schema_hash": SCHEMA_HASH} if name == "HELLO" else {}
    for number in range(0, 63_504, 1_000):
        protocol = BoardProtocol(calm_session(number))
        for _ in range(40):
            assert not CONSOLE_BYTES & set(protocol.send_calm(name, **fields))
        assert protocol.counts.frames_out == 40


def test_a_session_that_holds_one_itself_is_an_error() -> None:
    with pytest.raises(ValueError, match="0x0003"):
        BoardProtocol(3).send_calm("HEALTH")


def test_the_schema_hash_holds_none_and_no_zero_whatever_the_tables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {0, 3, 4, 5} & set(SCHEMA_HASH)
    for n in range(200):
        monkeypatch.setitem(schema_hash.LIMITS, "lease_ms", 10_000 + n)  # type: ignore[index]  # a table of constants
        assert not {0, 3, 4, 5} & set(schema_hash.compute_schema_hash())


def test_a_session_says_nothing_else_before_the_board_has_answered() -> None:
    bench = Bench()
    said = bytearray()
    real = bench.session._write

    def listen(data: bytes) -> None:
        said.extend(data)
        real(data)

    bench.session._write = listen  # type: ignore[method-assign]  # watched
    bench.session._reopen = lambda now_ms: True  # type: ignore[method-assign]  # the line is there
    for now_ms in range(0, 120_000, 200):
        bench.session._send_due(now_ms, [])
    assert len(said) > 1_000 and not CONSOLE_BYTES & set(said)
