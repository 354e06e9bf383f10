"""The serial shell: each way a port can fail is told in one line with a next step; a full line never blocks."""

from __future__ import annotations

import fcntl
import os
import socket
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from tomato_host.board.port import OUT_MAX, PortLost, SerialPort
from tomato_host.errors import TomatoError


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    yield master, path
    try:
        os.close(master)
    except OSError:
        pass


def code_of(url: str) -> str:
    with pytest.raises(TomatoError) as raised:
        SerialPort.open(url)
    assert raised.value.next_step
    return raised.value.code


def test_a_missing_port() -> None:
    assert code_of("/dev/ttyNOWHERE7") == "E-PORT-MISSING"


def test_an_address_that_is_none() -> None:
    assert code_of("nonsense://x") == "E-PORT-ADDRESS"


def test_a_port_in_use(pty: tuple[int, str]) -> None:
    _, path = pty
    first = SerialPort.open(path)
    assert code_of(path) == "E-PORT-BUSY"
    first.close()


def test_a_port_one_may_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: serial.Serial) -> None:
        raise serial.SerialException(13, "could not open port /dev/ttyACM0: [Errno 13] Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    assert code_of("/dev/ttyACM0") == "E-PORT-PERMISSION"


def test_a_file_that_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("")
    assert code_of(str(path)).startswith("E-PORT-")


def test_bytes_go_both_ways_and_are_counted(pty: tuple[int, str]) -> None:
    master, path = pty
    port = SerialPort.open(path)
    assert port.read() == b""
    assert not port.wait(0.01)
    os.write(master, b"\0\1\3\r\n\xff")
    assert port.wait(1.0)
    assert port.read() == b"\0\1\3\r\n\xff"
    port.write(b"\0hello\3")
    assert port.bytes_written == 7
    assert os.read(master, 100) == b"\0hello\3"
    port.close()
    port.close()


def test_a_line_that_hangs_up_is_lost(pty: tuple[int, str]) -> None:
    master, path = pty
    port = SerialPort.open(path)
    os.close(master)
    with pytest.raises(PortLost):
        for _ in range(10):
            port.read()
            time.sleep(0.01)
    port.close()


def test_a_reader_that_stops_never_blocks_the_writer(pty: tuple[int, str]) -> None:
    _, path = pty
    port = SerialPort.open(path)
    flags = fcntl.fcntl(port.fileno(), fcntl.F_GETFL)
    assert flags & os.O_NONBLOCK
    started = time.monotonic()
    with pytest.raises(PortLost, match="takes no bytes"):
        for _ in range(200 + OUT_MAX // 1_000):
            port.write(b"x" * 1_000)
    assert time.monotonic() - started < 5.0
    port.close()


def test_a_socket_is_a_port_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = SerialPort.open(f"socket://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        peer.sendall(b"\0abc\0")
        assert port.wait(2.0)
        assert port.read() == b"\0abc\0"
        port.write(b"back")
        assert peer.recv(10) == b"back"
        peer.close()
        with pytest.raises(PortLost):
            for _ in range(20):
                port.read()
                time.sleep(0.01)
        port.close()


class Unselectable:
    """A pyserial port without a descriptor, as rfc2217 is."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.sent = b""

    @property
    def in_waiting(self) -> int:
        return len(self.waiting)

    def read(self, size: int) -> bytes:
        data = bytes(self.waiting[:size])
        del self.waiting[:size]
        return data

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        """Nothing to close."""


def test_a_port_that_cannot_be_selected_on_is_looked_at() -> None:
    device = Unselectable()
    port = SerialPort("rfc2217://somewhere:1", device)
    assert port.fileno() == -1
    assert not port.wait(0.05)
    assert port.read() == b""
    device.waiting += b"\0abc"
    assert port.wait(1.0)
    assert port.read() == b"\0abc"
    port.write(b"xyz")
    assert device.sent == b"xyz"
