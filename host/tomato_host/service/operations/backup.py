"""A whole data directory in one verified file, also while the host writes; and back into an empty place."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tomato_host.atomic_file import PRIVATE_DIRECTORY, PRIVATE_FILE, make_directory
from tomato_host.errors import TomatoError

FORMAT = "tomato backup 1"
MANIFEST = "MANIFEST.json"
LEFT_OUT = frozenset({"inbox", "cache", ".lock"})
"""What is of this moment only: requests under way, downloads, the writer's lock."""
STILL_TRIES = 40
STILL_PAUSE_S = 0.05
CHUNK = 1 << 20
LARGEST_MANIFEST = 64 << 20


def backup(data_dir: Path, target: Path) -> dict[str, Any]:
    """Write `target` (tar.gz) in one step and read it back. Returns files, bytes, and the SHA-256 of the file.

    Raises TomatoError E-BACKUP-NO-DATA, E-BACKUP-INSIDE, E-BACKUP-WRITE, E-BACKUP-DAMAGED.
    """
    if not (data_dir / "metadata.json").is_file():
        raise TomatoError("E-BACKUP-NO-DATA", f"{data_dir} is not a data directory.", "give the host's --data-dir")
    if data_dir.resolve() in target.resolve().parents:
        raise TomatoError("E-BACKUP-INSIDE", f"{target} lies in the data directory itself.", "write it elsewhere")
    part = target.with_name(f".{target.name}.part")
    try:
        with _private_file(part) as raw:
            _write(data_dir, raw)
            raw.flush()
            os.fsync(raw.fileno())
        manifest = check(part)
        os.replace(part, target)
    except OSError as error:
        raise TomatoError(
            "E-BACKUP-WRITE",
            f"{target} cannot be written: {error.strerror or error}.",
            "check the place and its free space",
        ) from None
    finally:
        part.unlink(missing_ok=True)
    sizes = [entry["size"] for entry in manifest["files"].values()]
    return {"file": str(target), "files": len(sizes), "bytes": sum(sizes), "sha256": _sha256_of(target)}


def check(source: Path) -> dict[str, Any]:
    """Read a backup to its end and compare every file. Returns its manifest. Raises TomatoError E-BACKUP-DAMAGED."""
    return _walk(source, None)


def restore(source: Path, data_dir: Path) -> dict[str, Any]:
    """Unpack into `data_dir`, which must be empty or missing; it appears whole and verified, or not at all.

    Returns the manifest. Raises TomatoError E-RESTORE-NOT-EMPTY, E-BACKUP-DAMAGED, E-BACKUP-WRITE.
    """
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise TomatoError("E-RESTORE-NOT-EMPTY", f"{data_dir} is not empty.", "restore into a new directory")
    try:
        make_directory(data_dir.parent)
        folder = Path(tempfile.mkdtemp(prefix=f".{data_dir.name}.restoring.", dir=data_dir.parent))
    except OSError as error:
        raise TomatoError(
            "E-BACKUP-WRITE", f"{data_dir} cannot be made: {error.strerror}.", "restore to a place you may write"
        ) from None
    try:
        manifest = _walk(source, folder)
        folder.chmod(PRIVATE_DIRECTORY)
        os.replace(folder, data_dir)
        return manifest
    except OSError as error:
        raise TomatoError(
            "E-BACKUP-WRITE",
            f"{data_dir} cannot be written: {error.strerror or error}.",
            "check the place and its free space",
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- writing ---------------------------------------------------------------------------------------------------


@contextmanager
def _private_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner may read: it holds the plant's photos and the hashes of tokens."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        yield raw


def _write(data_dir: Path, raw: IO[bytes]) -> None:
    files: dict[str, dict[str, Any]] = {}
    heads, lengths = _still(data_dir)
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in _wanted(data_dir):
            name = path.relative_to(data_dir).as_posix()
            if name == "private/heads.json":
                _add(tar, files, name, io.BytesIO(heads), len(heads), PRIVATE_FILE)
            elif name in lengths:
                with path.open("rb") as file:
                    _add(tar, files, name, file, lengths[name], PRIVATE_FILE)
            elif path.suffix == ".sqlite":
                _add_database(tar, files, name, path)
            elif path.suffix != ".jsonl":  # a stream that began after the still moment belongs to the next backup
                _add_small(tar, files, name, path)
        text = json.dumps({"format": FORMAT, "files": files}, indent=0).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))


def _wanted(data_dir: Path) -> list[Path]:
    """Regular files, sorted; links are not followed."""
    out = []
    for folder, folders, names in os.walk(data_dir):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not Path(folder, f).is_symlink())
        for name in sorted(names):
            path = Path(folder, name)
            unfinished = name.startswith(".") or name.endswith((".sqlite-wal", ".sqlite-shm", ".tmp", ".part"))
            if not unfinished and name not in LEFT_OUT and not path.is_symlink():
                out.append(path)
    return out


def _still(data_dir: Path) -> tuple[bytes, dict[str, int]]:
    """Heads and the length of each stream file in one moment in which nobody wrote.

    Files only grow, so two equal snapshots mean that nothing changed between them; the counts over all streams then
    have no gap. The heads are read first: they may vouch for less than there is, never for more.
    """
    last = _snapshot(data_dir)
    for _ in range(STILL_TRIES):
        time.sleep(STILL_PAUSE_S)
        seen = _snapshot(data_dir)
        if seen == last:
            break
        last = seen
    heads, lengths = last
    return heads, {name: _whole_lines(data_dir / name, length) for name, length in lengths.items()}


def _snapshot(data_dir: Path) -> tuple[bytes, dict[str, int]]:
    try:
        heads = (data_dir / "private" / "heads.json").read_bytes()
    except FileNotFoundError:
        heads = b""
    return heads, {
        p.relative_to(data_dir).as_posix(): p.stat().st_size for p in _wanted(data_dir) if p.suffix == ".jsonl"
    }


def _whole_lines(path: Path, length: int) -> int:
    """Up to the last line end: the tail may be half written."""
    with path.open("rb") as file:
        end = length
        while end > 0:
            begin = max(0, end - 65_536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


def _add(
    tar: tarfile.TarFile, files: dict[str, dict[str, Any]], name: str, content: IO[bytes], size: int, mode: int
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    reader = _Hashed(content)
    tar.addfile(info, reader)
    files[name] = {"size": size, "sha256": reader.sha256.hexdigest()}


def _add_small(tar: tarfile.TarFile, files: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    """Files that are replaced whole: one open file is one version of it. One that is gone by now is no loss."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _add(tar, files, name, file, status.st_size, status.st_mode & 0o777)
    except FileNotFoundError:
        return


def _add_database(tar: tarfile.TarFile, files: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    """SQLite's own way to copy a database that is being written."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live, closing(sqlite3.connect(copy)) as new:
            live.backup(new)
        with copy.open("rb") as file:
            _add(tar, files, name, file, copy.stat().st_size, PRIVATE_FILE)


class _Hashed:
    """A reader that hashes what passes."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._content.read(size)
        self.sha256.update(data)
        return data


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- reading ---------------------------------------------------------------------------------------------------


def _walk(source: Path, folder: Path | None) -> dict[str, Any]:
    """Read the whole file; with `folder` also unpack. Everything is compared with the manifest at the end."""
    seen: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(source, "r|gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or manifest is not None or not _plain(member.name):
                    raise _damaged(source, f"an entry {member.name!r} that no backup has")
                if member.name == MANIFEST:
                    manifest = json.loads(content.read(LARGEST_MANIFEST))
                else:
                    seen[member.name] = _extract(content, member, folder)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise _damaged(source, str(error)) from None
    except FileNotFoundError:
        raise _damaged(source, "there is no such file") from None
    except OSError as error:
        if folder is not None and error.errno is not None:
            raise
        raise _damaged(source, str(error)) from None
    if manifest is None or manifest.get("format") != FORMAT:
        raise _damaged(source, "its list of files is missing")
    if manifest.get("files") != seen:
        wrong = sorted(n for n in {*seen, *manifest["files"]} if seen.get(n) != manifest["files"].get(n))
        raise _damaged(source, f"{wrong[0]} is not what was saved")
    return manifest


def _plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name and bool(name)


def _extract(content: IO[bytes], member: tarfile.TarInfo, folder: Path | None) -> dict[str, Any]:
    reader, target = _Hashed(content), None
    if folder is not None:
        path = folder / member.name
        make_directory(path.parent)
        target = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & PRIVATE_FILE), "wb")
    size = 0
    try:
        while data := reader.read(CHUNK):
            size += len(data)
            if target is not None:
                target.write(data)
        if target is not None:
            target.flush()
            os.fsync(target.fileno())
    finally:
        if target is not None:
            target.close()
    return {"size": size, "sha256": reader.sha256.hexdigest()}


def _damaged(source: Path, why: str) -> TomatoError:
    return TomatoError("E-BACKUP-DAMAGED", f"{source} is not a complete backup: {why[:200]}.", "use an older backup")
