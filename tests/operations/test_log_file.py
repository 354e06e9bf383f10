"""A log bounded in size and count, which takes what child processes print and stops nothing on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.errors import TomatoError
from tomato_host.log_file import BoundedFiles, LogSettings, log_to


def texts(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*"))}


@given(st.lists(st.integers(min_value=1, max_value=60), max_size=120), st.integers(min_value=0, max_value=4))
def test_never_more_than_was_allowed_and_the_newest_lines_in_order(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], keep: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "host.log"
    files = BoundedFiles(path, 200, keep)
    lines = [b"%03d" % n + b"x" * length + b"\n" for n, length in enumerate(lengths)]
    for line in lines:
        files.write(line)
        assert all(len(text) <= 200 for text in texts(path).values())
        assert len(texts(path)) <= keep + 1
    files.close()
    kept = b"".join(text for _, text in sorted(texts(path).items(), reverse=True))
    assert b"".join(lines).endswith(kept), "no line torn, none out of order"
    if sum(map(len, lines)) <= 200:
        assert kept == b"".join(lines)
    assert files.lost_bytes == 0


def test_it_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    path = tmp_path / "host.log"
    for n in range(6):
        files = BoundedFiles(path, 20, 2)
        files.write(b"run %d says this\n" % n)
        files.close()
    assert texts(path) == {
        "host.log": b"run 5 says this\n",
        "host.log.1": b"run 4 says this\n",
        "host.log.2": b"run 3 says this\n",
    }


def test_a_disk_that_refuses_loses_lines_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = BoundedFiles(tmp_path / "host.log", 1_000, 2)
    files.write(b"before\n")
    real = os.write

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    files.write(b"lost\n")
    monkeypatch.setattr(os, "write", real)
    files.write(b"after\n")
    files.close()
    assert (tmp_path / "host.log").read_bytes() == b"before\nafter\n"
    assert files.lost_bytes == 5


SPEAKER = """
import subprocess, sys, warnings
from tomato_host.log_file import LogSettings, log_to
from tomato_host.logs import Log
with log_to(LogSettings(file=sys.argv[1], max_mb=0.01, keep=2)) as terminal:
    print("the host says")
    sys.stderr.write("and complains\\n")
    Log("test").warning("a warning")
    subprocess.run([sys.executable, "-c", "print('a child says')"], check=True)
    for n in range(4000):
        print("line", n)
    print("the summary", file=terminal)
print("afterwards")
"""


def test_everything_printed_goes_there_also_by_children_and_never_more_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "host.log"
    ended = subprocess.run(
        [sys.executable, "-c", SPEAKER.replace("range(4000)", "range(3)"), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "the summary\nafterwards\n"
    assert ended.stderr == ""
    text = path.read_text()
    for word in ("the host says", "and complains", "a warning", "a child says", "line 2"):
        assert word in text
    subprocess.run([sys.executable, "-c", SPEAKER, str(path)], capture_output=True, check=True)
    sizes = [len(text) for text in texts(path).values()]
    assert len(sizes) == 3
    assert max(sizes) <= 10_000
    assert path.read_text().endswith("line 3999\n"), "the last words are there"


def test_without_a_file_nothing_changes() -> None:
    with log_to(LogSettings()) as terminal:
        assert terminal is sys.stdout


def test_a_place_that_cannot_be_written_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TomatoError) as refused, log_to(LogSettings(file=str(tmp_path / "file" / "host.log"))):
        pass
    assert refused.value.code == "E-LOG-FILE"


def test_a_run_with_a_log_file(tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(f'[logs]\nfile = "{tmp_path}/host.log"\n[service]\nport = 0\n[weather]\nprovider = "none"\n')
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tomato_host",
            "run",
            "--board",
            "sim",
            "--config",
            str(config),
            "--time-scale",
            "60",
            "--duration-hours",
            "0.05",
            "--data-dir",
            str(tmp_path / "data"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ended.stdout == ""
    assert (tmp_path / "host.log").read_text(), "the lines of the display"
