"""A file is replaced whole or not at all, whatever fails on the way."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from tomato_host import atomic_file
from tomato_host.atomic_file import replace_file


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "heads.json"
    replace_file(path, b"old")

    def refuse(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_file.os, call, refuse)
        with pytest.raises(OSError, match="no space"):
            replace_file(path, b"new, and longer")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["heads.json"]
    replace_file(path, b"new, and longer")
    assert path.read_bytes() == b"new, and longer"


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(atomic_file.os, "write", lambda fd, data: real(fd, data[:3]))
    replace_file(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_only_durable_files_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced = os.fsync, list[bool]()

    def watched(fd: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(fd).st_mode))
        real(fd)

    monkeypatch.setattr(atomic_file.os, "fsync", watched)
    replace_file(tmp_path / "request.json", b"{}", durable=False)
    assert synced == []
    replace_file(tmp_path / "heads.json", b"{}")
    assert synced == [False, True], "the file before its name, the directory after"


@pytest.mark.skipif(os.name == "nt", reason="permission bits of POSIX")
def test_permission_bits_hold_from_the_first_byte_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = list[int](), os.write

    def watched(fd: int, data: bytes) -> int:
        seen.append(os.fstat(fd).st_mode & 0o777)
        return real(fd, data)

    monkeypatch.setattr(atomic_file.os, "write", watched)
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "secret", b"x", mode=0o600)
        replace_file(tmp_path / "unit", b"x", mode=0o644)
        replace_file(tmp_path / "deep" / "er" / "plain", b"x", parents=True)
    finally:
        os.umask(before)
    assert seen == [0o600, 0o644, 0o600]
