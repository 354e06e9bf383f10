"""After a flash: the wait goes by what the board shows, and the error says what the board will really do."""

from __future__ import annotations

import re

import pytest
from tomato_host.board import flash, identify
from tomato_host.board.port import PortLost
from tomato_host.board.protocol import CONSOLE_BYTES
from tomato_host.errors import TomatoError

from tests.board.bench import CoreBoard


class StartingBoard:
    """A board whose port goes with its reset, comes back, and whose firmware listens some time later."""

    def __init__(self, gone_s: float, silent_s: float, boots: bool = True) -> None:
        self.now_s = 0.0
        self.gone_s, self.silent_s, self.boots = gone_s, silent_s, boots
        self.body = CoreBoard()
        self.heard = bytearray()
        self.opened = 0

    def open(self, _url: str) -> StartingBoard:
        if 0.2 < self.now_s < self.gone_s:
            self.now_s += 0.3
            raise TomatoError("E-PORT-MISSING", "no such port", "plug it in")
        self.opened += 1
        return self

    def clock(self) -> float:
        return self.now_s

    def write(self, data: bytes) -> None:
        self.heard += data
        if self.boots and self.now_s > self.silent_s:
            self.body.feed(data, int(self.now_s * 1_000))

    def wait(self, timeout_s: float) -> bool:
        self.now_s += timeout_s
        return False

    def read(self) -> bytes:
        if 0.2 < self.now_s < self.gone_s:
            raise PortLost("gone")
        out, self.body.out = bytes(self.body.out), bytearray()
        return out

    def close(self) -> None:
        """Nothing to let go of."""


def after_reset(monkeypatch: pytest.MonkeyPatch, board: StartingBoard) -> object:
    monkeypatch.setattr(identify, "SerialPort", board)
    monkeypatch.setattr(identify.time, "sleep", lambda s: setattr(board, "now_s", board.now_s + s))
    return identify.ask_after_reset("/dev/ttyX", now_s=board.clock)


@pytest.mark.parametrize(("gone_s", "silent_s"), [(1.0, 1.3), (2.5, 5.0), (8.0, 18.0), (0.0, 15.0)])
def test_a_board_that_takes_its_time_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, gone_s: float, silent_s: float
) -> None:
    board = StartingBoard(gone_s, silent_s)
    hello = after_reset(monkeypatch, board)
    assert isinstance(hello, identify.Hello)
    assert board.now_s < silent_s + 2.0
    assert board.opened == (2 if gone_s else 1), "one line as long as it holds: opening resets some boards"
    assert not CONSOLE_BYTES & set(board.heard)


def test_a_board_that_shows_nothing_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    board = StartingBoard(2.0, 0.0, boots=False)
    assert after_reset(monkeypatch, board) is None
    assert 20.0 <= board.now_s - board.gone_s < 25.0


def test_a_port_of_somebody_else_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    board = StartingBoard(0.0, 0.0)

    def busy(_url: str) -> StartingBoard:
        raise TomatoError("E-PORT-BUSY", "in use", "close it")

    monkeypatch.setattr(board, "open", busy)
    with pytest.raises(TomatoError, match="in use"):
        after_reset(monkeypatch, board)


def test_what_happens_next_is_what_slot_and_tries_do() -> None:
    back = flash.what_happens_next(flash.Flashed("b", before="a"))
    assert re.search(r"after 3 starts .* slot a", back)
    stays = flash.what_happens_next(flash.Flashed("a"))
    assert "no earlier firmware" in stays and "every ten minutes" in stays
    source = (flash.Path(__file__).resolve().parents[2] / "firmware" / "tries.py").read_text()
    assert f"MOST = {flash.TRIES}\n" in source and "RETRY_MS = 600_000" in source
