"""The end of a dataset: what vouches for it, how early, and what a verification says when nothing does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.storage import Dataset
from tomato_host.storage import dataset as dataset_module
from tomato_host.storage.chain import Head, genesis, next_line, parse_line
from tomato_host.storage.public import export_public
from tomato_host.storage.published_heads import is_public_dataset, read_published, sign_heads, verify_public
from tomato_host.storage.verify import verify

from tests.storage.samples import START, action, event, state

COUNT = 20

KILLED = """
import os, sys
from tomato_host.storage import Dataset
from tests.storage.samples import action, event
dataset = Dataset.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    dataset.append(event(number))
    dataset.append(action(number))
os._exit(9)
"""


def killed_dataset(root: Path, count: int = COUNT) -> Path:
    """Written by a process that died at once, long before heads.json was due."""
    subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(count)], check=False, env={**os.environ, "PYTHONPATH": path()}
    )
    return root


def path() -> str:
    here = Path(__file__).resolve().parents[2]
    return os.pathsep.join(str(part) for part in (here, here / "host", here / "firmware"))


def closed_dataset(root: Path, **options: object) -> Path:
    with Dataset.open(root, **options) as dataset:  # type: ignore[arg-type]  # options of the test
        for number in range(COUNT):
            dataset.append(event(number))
            dataset.append(action(number))
        dataset.append(state())
    return root


def lose_newest(root: Path, last_n: int) -> None:
    """Cut every stream behind the count `last_n`, as whole lines: chain and counts still fit."""
    for file in (root / "private").glob("*.jsonl"):
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(line for line in lines if parse_line(line).n <= last_n))


def verified(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["dataset", "verify", str(root), *more])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_a_dataset_that_was_closed_is_proven_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed_dataset(tmp_path)
    code, text = verified(tmp_path, capsys)
    assert code == 0 and "the end is proven: the dataset was closed after its last record" in text
    _, told = verified(tmp_path, capsys, "--json")
    assert {key: json.loads(told)[key] for key in ("ok", "closed", "vouched_n", "last_n")} == {
        "ok": True, "closed": True, "vouched_n": 41, "last_n": 41,
    }  # fmt: skip


def test_after_an_early_kill_the_end_is_not_called_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can tell that the newest half is gone; so nothing may say that the dataset is complete."""
    root = killed_dataset(tmp_path / "data")
    lose_newest(root, COUNT)
    code, text = verified(root, capsys)
    assert code == 0 and "20 records in 2 files: in order" in text
    assert "the end is not proven: nothing vouches for it, more records may have followed" in text
    assert not verify(root).closed


def test_the_first_heads_are_written_before_the_first_record(tmp_path: Path) -> None:
    root = killed_dataset(tmp_path / "data")
    assert json.loads((root / "private" / "heads.json").read_text()) == {"n": 0, "closed": False, "streams": {}}


def test_heads_come_within_seconds_and_vouch_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dataset_module.FIRST_HEADS_S <= 5.0
    monkeypatch.setattr(dataset_module, "FIRST_HEADS_S", 0.0)
    root, copy = tmp_path / "data", tmp_path / "copy"
    with Dataset.open(root) as dataset:
        for number in range(COUNT):
            dataset.append(event(number))
        for _ in range(500):
            if json.loads((root / "private" / "heads.json").read_text())["n"]:
                break
            time.sleep(0.01)
        for number in range(5):
            dataset.append(action(number))
        shutil.copytree(root, copy)  # as a kill would leave it
    seen = verify(copy)
    assert seen.ok and 0 < seen.vouched_n <= COUNT and not seen.closed and seen.last_n == COUNT + 5
    assert f"proven up to n={seen.vouched_n}; the {COUNT + 5 - seen.vouched_n} records behind it" in seen.proof
    lose_newest(copy, seen.vouched_n - 1)
    assert "records are missing" in verify(copy).problems[0].what


def test_deleted_heads_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = closed_dataset(tmp_path)
    (root / "private" / "heads.json").unlink()
    lose_newest(root, COUNT)
    code, text = verified(root, capsys)
    assert code == 2 and "BAD   heads.json: is missing, and was there before the first record" in text
    assert "NOT in order" in text


def test_a_dataset_of_0_1_without_heads_is_in_order_and_not_proven(tmp_path: Path) -> None:
    root = closed_dataset(tmp_path)
    metadata = json.loads((root / "metadata.json").read_text())
    assert metadata.pop("anchored") is True
    (root / "metadata.json").write_text(json.dumps(metadata))
    (root / "private" / "heads.json").unlink()
    seen = verify(root)
    assert seen.ok and "not proven" in seen.proof


def test_records_behind_a_close_are_not_called_proven(tmp_path: Path) -> None:
    root = closed_dataset(tmp_path)
    killed_dataset(root, count=3)
    seen = verify(root)
    assert seen.ok and not seen.closed and (seen.vouched_n, seen.last_n) == (41, 47)


@pytest.mark.parametrize(
    ("rotate", "new"),
    [("month", "events_2026-05.jsonl"), ("day", "events_2026-02-15.jsonl"), ("month", "events_2025-12.jsonl")],
)
def test_a_renamed_file_is_noticed(rotate: str, new: str, tmp_path: Path) -> None:
    root = closed_dataset(tmp_path, rotate=rotate)
    (file,) = (root / "private").glob("events_*.jsonl")
    file.rename(file.with_name(new))
    (problem,) = verify(root).problems
    assert problem.file == new and "begins with a record of 2026-02" in problem.what and "renamed" in problem.what


def test_a_renumbered_file_is_noticed(tmp_path: Path) -> None:
    root = closed_dataset(tmp_path, rotate="size", max_bytes=1_500)
    first, second, *_ = sorted((root / "private").glob("events_*.jsonl"))
    spare = first.with_name("events_999999.jsonl")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    problems = verify(root).problems
    assert problems and all("renamed" in problem.what for problem in problems)


def test_files_of_many_months_days_and_numbers_are_what_their_names_say(tmp_path: Path) -> None:
    """Also over changes of the rotation and a clock that was set back."""
    for rotate, start in (("month", 0), ("day", 40), ("size", 45), ("month", 80), ("size", 82), ("day", 81)):
        with Dataset.open(tmp_path, rotate=rotate, max_bytes=1_500) as dataset:  # type: ignore[arg-type]
            for number in range(12):
                dataset.append(event(number, START + timedelta(days=start + number * 2 - (3 if number == 7 else 0))))
    seen = verify(tmp_path)
    assert seen.problems == [] and seen.files > 5


# -- heads that were published or noted ---------------------------------------------------------------------------


def forge(root: Path, keep: int) -> None:
    """Whoever may write every file: drop the newest events, and make heads that fit."""
    file = next((root / "private").glob("events_*.jsonl"))
    head, out = genesis("events"), []
    for line in file.read_bytes().splitlines()[:keep]:
        link = parse_line(line)
        made, head = next_line(head, link.n, link.payload.replace(b"event 3", b"event 4"))
        out.append(made)
    file.write_bytes(b"".join(out))
    path = root / "private" / "heads.json"
    heads = json.loads(path.read_text())
    heads["streams"] = {"events": {"n": head.n, "seq": head.seq, "hash": head.hash}}
    path.write_text(json.dumps(heads | {"n": head.n}))


def test_a_forged_dataset_contradicts_the_published_heads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data"
    with Dataset.open(root) as dataset:
        for number in range(COUNT):
            dataset.append(event(number))
    export_public(root)
    noted = tmp_path / "noted.json"
    shutil.copy(root / "public" / "heads.json", noted)
    with Dataset.open(root) as dataset:
        dataset.append(event(COUNT))
    assert verified(root, capsys, "--published", str(noted))[0] == 0
    forge(root, COUNT)
    assert verify(root).ok, "by itself a new chain with new heads is sound: that is why heads are published"
    code, text = verified(root, capsys, "--published", str(noted))
    assert code == 2 and f"events: record {COUNT} is not the one that was noted elsewhere" in text
    forge(root, COUNT - 4)
    assert (
        f"events: record {COUNT}, noted elsewhere, is not there" in verified(root, capsys, "--published", str(noted))[1]
    )


def public_of(root: Path) -> Path:
    closed_dataset(root)
    export_public(root)
    return root / "public"


def test_a_public_dataset_is_verified_against_its_heads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = public_of(tmp_path)
    assert is_public_dataset(folder) and verify_public(folder) == (2 * COUNT + 1, [])
    code, text = verified(folder, capsys)
    assert code == 0 and "41 public records: in order and complete" in text
    assert read_published(folder / "heads.json")["events"] == verify(tmp_path).streams["events"]
    assert isinstance(read_published(folder / "heads.json", "public")["events"], Head)


def cut(folder: Path) -> None:
    file = next(folder.glob("events_public_*.jsonl"))
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-3]))


def edit(folder: Path) -> None:
    file = next(folder.glob("events_public_*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"count":3', b'"count":4'))


def add_photo(folder: Path) -> None:
    (folder / "images" / "2026-02-14").mkdir(parents=True)
    (folder / "images" / "2026-02-14" / "camera_main_100000.jpg").write_bytes(b"another")


def add_stream(folder: Path) -> None:
    (folder / "plans_public_2026-02.jsonl").write_text("{}\n")


def drop_stream(folder: Path) -> None:
    next(folder.glob("states_public_*.jsonl")).unlink()


def edit_report(folder: Path) -> None:
    (folder / "report.json").write_text("{}")


def drop_report(folder: Path) -> None:
    (folder / "report.json").unlink()


@pytest.mark.parametrize("change", [cut, edit, add_photo, add_stream, drop_stream, edit_report, drop_report])
def test_a_changed_public_dataset_is_noticed(
    change: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = public_of(tmp_path)
    change(folder)  # type: ignore[operator]  # one of the functions above
    code, text = verified(folder, capsys)
    assert code == 2 and text.count("BAD") == 1 and "NOT in order" in text


def test_the_published_heads_are_the_same_for_the_same_dataset(tmp_path: Path) -> None:
    folder = public_of(tmp_path)
    first = (folder / "heads.json").read_bytes()
    export_public(tmp_path)
    assert (folder / "heads.json").read_bytes() == first


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs the OpenSSH client")
def test_signed_heads_verify_and_a_changed_one_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed_dataset(tmp_path / "data")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "grower", "-f", str(key)], check=True)
    with pytest.raises(SystemExit) as ended:
        main(["dataset", "export", str(tmp_path / "data"), "--sign", str(key)])
    assert not ended.value.code
    heads = tmp_path / "data" / "public" / "heads.json"
    (tmp_path / "allowed").write_text(f"grower {key.with_suffix('.pub').read_text()}")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "grower", "-n", "tomato-dataset"]
    command += ["-s", f"{heads}.sig"]
    assert subprocess.run(command, stdin=heads.open("rb"), capture_output=True, check=False).returncode == 0
    assert verify_public(heads.parent)[1] == []
    heads.write_bytes(heads.read_bytes().replace(b'"n": 41', b'"n": 42'))
    assert subprocess.run(command, stdin=heads.open("rb"), capture_output=True, check=False).returncode != 0
    export_public(tmp_path / "data")
    assert not Path(f"{heads}.sig").exists(), "a signature of the last export would not fit"


def test_without_a_key_the_export_says_that_it_is_not_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = public_of(tmp_path)
    with pytest.raises(Exception, match="not signed"):
        sign_heads(folder, tmp_path / "no_key")
    with pytest.raises(SystemExit) as ended:
        main(["dataset", "verify", str(tmp_path), "--published", str(tmp_path / "metadata.json")])
    assert ended.value.code == 2 and "E-STORAGE-HEADS" in capsys.readouterr().err
