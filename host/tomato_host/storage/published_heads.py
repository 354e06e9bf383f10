"""What an export of the dataset vouches for: heads.json beside the public files, to be published or signed.

It holds where each public chain ends, the digest of every other public file, and where each private chain stood.
Whoever keeps a copy elsewhere (a commit, a mail, a signature with a time) can show later that neither was cut or
rewritten: a private dataset must run through these heads for ever (`dataset verify DATA --published HEADS`), and a
public one must be the whole of it (`dataset verify DATA/public`). A hash of the private chain tells nothing about its
record, because it covers the hash before it, which stays private.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.storage.chain import Head, follows, genesis, parse_line
from tomato_host.storage.layout import HEADS
from tomato_host.storage.verify import DatasetProblem
from tomato_host.toml_file import bounded_text

FORMAT = "tomato public dataset 1"
SIGNATURE_NAMESPACE = "tomato-dataset"
_PUBLIC_STREAM = "_public_"


def heads_text(public: Mapping[str, Head], private: Mapping[str, Head], folder: Path) -> bytes:
    """The text of `heads.json`: the same dataset gives the same bytes."""
    told = {
        "format": FORMAT,
        "public": {stream: vars_of(head) for stream, head in sorted(public.items())},
        "private": {stream: vars_of(head) for stream, head in sorted(private.items())},
        "files": dict(_digests(folder)),
    }
    return json.dumps(told, indent=1).encode() + b"\n"


def vars_of(head: Head) -> dict[str, Any]:
    """A head as JSON."""
    return {"n": head.n, "seq": head.seq, "hash": head.hash}


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of every public file that is no stream: photos and the report."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix != ".jsonl" and name not in (HEADS, f"{HEADS}.sig"):
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()


def is_public_dataset(folder: Path) -> bool:
    """True for the folder that an export wrote."""
    try:
        return bool(json.loads((folder / HEADS).read_bytes())["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_published(path: Path, part: str = "private") -> dict[str, Head]:
    """The private (or public) heads of a published file. Raises TomatoError E-STORAGE-HEADS."""
    try:
        told = json.loads(bounded_text(path))
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {told['format']!r}")
        return {stream: Head(int(h["n"]), int(h["seq"]), str(h["hash"])) for stream, h in told[part].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TomatoError(
            "E-STORAGE-HEADS",
            f"{path} is no heads file of a public export: {error}.",
            "give the heads.json that `tomato-host dataset export` wrote into public/",
        ) from None


def verify_public(folder: Path) -> tuple[int, list[DatasetProblem]]:
    """Records, and what is wrong with a public dataset: chains from their beginning to the published heads, digests.

    Raises TomatoError E-STORAGE-HEADS.
    """
    heads = read_published(folder / HEADS, "public")
    told = json.loads((folder / HEADS).read_bytes())
    problems: list[DatasetProblem] = []
    records = 0
    for stream, wanted in heads.items():
        head = genesis(f"public/{stream}")
        for path in sorted(folder.glob(f"{stream}{_PUBLIC_STREAM}*.jsonl")):
            head, problem = _walk(path, head)
            if problem is not None:
                problems.append(problem)
                break
        else:
            if head != wanted:
                what = f"ends with record {head.seq}, and heads.json vouches for record {wanted.seq} ({wanted.hash})"
                problems.append(DatasetProblem(stream, 0, what))
        records += head.seq
    known = {path.name for stream in heads for path in folder.glob(f"{stream}{_PUBLIC_STREAM}*.jsonl")}
    problems += [_unknown(path.name) for path in sorted(folder.glob("*.jsonl")) if path.name not in known]
    return records, problems + _verify_files(folder, told.get("files", {}))


def _walk(path: Path, head: Head) -> tuple[Head, DatasetProblem | None]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                link = parse_line(line)
                fault = follows(link, head)
            except ValueError:
                return head, DatasetProblem(path.name, number, "not a whole record")
            if fault:
                return head, DatasetProblem(path.name, number, fault)
            head = Head(link.n, link.seq, link.hash)
    return head, None


def _verify_files(folder: Path, wanted: Mapping[str, str]) -> list[DatasetProblem]:
    found = dict(_digests(folder))
    problems = [DatasetProblem(name, 0, "is missing") for name in wanted if name not in found]
    problems += [_unknown(name) for name in found if name not in wanted]
    changed = [name for name in wanted if name in found and found[name] != wanted[name]]
    return problems + [DatasetProblem(name, 0, "was changed") for name in changed]


def _unknown(name: str) -> DatasetProblem:
    return DatasetProblem(name, 0, "is not part of the export")


def sign_heads(folder: Path, key: Path) -> Path:
    """Sign heads.json with an SSH key, into heads.json.sig; `ssh-keygen -Y verify` checks it.

    OpenSSH does it, so no key and no algorithm is ours. Raises TomatoError E-EXPORT-SIGN.
    """
    signature = folder / f"{HEADS}.sig"
    program = shutil.which("ssh-keygen")
    if program is None:
        raise _not_signed("ssh-keygen is not installed", "install the OpenSSH client, or publish heads.json unsigned")
    signature.unlink(missing_ok=True)
    command = [program, "-Y", "sign", "-q", "-n", SIGNATURE_NAMESPACE, "-f", str(key), str(folder / HEADS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode or not signature.is_file():
        why = " ".join(done.stderr.split())[:200] or "ssh-keygen ended with an error"
        raise _not_signed(why, "give the path of a private SSH key, e.g. ~/.ssh/id_ed25519")
    return signature


def _not_signed(why: str, next_step: str) -> TomatoError:
    return TomatoError("E-EXPORT-SIGN", f"The export is written and not signed: {why}.", next_step)
