"""Wrong paths, wrong files and odd bytes at the command line: one line, exit code 2, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.commands.inbox import new_request
from tomato_host.errors import TomatoError
from tomato_host.storage.chain import genesis, next_line
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.published_heads import read_published
from tomato_host.storage.reader import read_records

from tests.storage.samples import state

DATA_DIR_COMMANDS = (
    ["status"],
    ["explain"],
    ["settings", "show"],
    ["settings", "check"],
    ["settings", "set", "control.stage=fruiting"],
    ["journal", "add", "a note"],
    ["journal", "list"],
    ["token", "list"],
    ["dataset", "verify"],
)


def ended(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    try:
        main(argv)
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, capsys.readouterr().err


@pytest.mark.parametrize("command", DATA_DIR_COMMANDS, ids=" ".join)
def test_a_path_that_cannot_be_used_ends_in_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for path in ("a" * 300, str(tmp_path / "file" / "below"), str(tmp_path / "loop")):
        where = [path] if command[0] == "dataset" else ["--data-dir", path]
        code, errors = ended([*command, *where], capsys)
        assert code in (0, 2) and "Traceback" not in errors, errors
        assert code == 0 or (errors.count("\n") == 1 and errors.startswith("tomato-host: E-")), errors


def test_a_full_disk_that_no_command_expects_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))

    monkeypatch.setattr("tomato_host.cli.settings.typer.echo", full)
    code, errors = ended(["settings", "show", "--data-dir", str(tmp_path)], capsys)
    assert code == 2 and errors.startswith(f"tomato-host: E-FILE: {tmp_path / 'x'}: no space left on device. Next: ")


@pytest.mark.parametrize("text", ["5", '"x"', "not json", "", "[" * 100_000, "[1]"])
def test_changes_that_are_no_object_are_refused_as_json(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = tmp_path / "changes.json"
    changes.write_text(text)
    with pytest.raises(SystemExit) as end:
        main(["settings", "set", "--changes", str(changes), "--json", "--data-dir", str(tmp_path / "data")])
    told = json.loads(capsys.readouterr().out)
    assert end.value.code == 2 and told["ok"] is False and told["code"] == "E-CONFIG-SYNTAX"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("argv", [["replay", "{dir}", "--from", "9" * 5_000], ["journal", "list", "--days", "1e400"]])
def test_a_number_without_an_end_is_refused(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, errors = ended([word.format(dir=tmp_path) for word in argv], capsys)
    assert code == 2 and "Traceback" not in errors


def test_bytes_of_a_reason_that_are_no_text_are_replaced() -> None:
    assert new_request("faults", "wind \udc80").reason == "wind ?"


def test_a_heads_file_nested_without_end_is_none(tmp_path: Path) -> None:
    (tmp_path / "heads.json").write_text("[" * 100_000)
    with pytest.raises(TomatoError, match="E-STORAGE-HEADS"):
        read_published(tmp_path / "heads.json")
    with pytest.raises(TomatoError, match="larger than"):
        read_published(Path("/dev/zero"))


def test_no_text_names_a_package_that_no_index_has() -> None:
    """`pip install 'tomato-host[...]'` finds nothing: extras are installed from the checkout."""
    root = Path(__file__).parents[2]
    texts = [*root.glob("host/**/*.py"), *root.glob("docs/*.md"), root / "README.md"]
    assert len(texts) > 100
    wrong = [
        str(p.relative_to(root))
        for p in texts
        if "install 'tomato-host[" in p.read_text() and p.name != "verification.md"
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("propose owner HEAT", "type: Input should be 'WATER'"),
        ("propose owner WATER --ml -5", "params.ml: "),
        ("add x --origin king", "origin: Input should be "),
        ("add x --may light", "no action 'light'. Next: choose of WATER, "),
    ],
)
def test_a_wrong_agent_or_proposal_is_one_line_with_its_field(
    words: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, errors = ended(["world", *words.split(), "--data-dir", str(tmp_path)], capsys)
    assert code == 2 and errors.count("\n") == 1 and "E-WORLD-RECORD" in errors and wrong in errors, errors
    assert "pydantic" not in errors


def test_a_record_that_breaks_its_contract_is_one_line_with_its_field(tmp_path: Path) -> None:
    with Dataset.open(tmp_path):
        pass
    payload = b'{"ts":"2026-05-01T06:00:00+02:00","schema_version":"event_v1","level":"LOUD","kind":"link"}'
    line, _ = next_line(genesis("events"), 1, payload)
    (tmp_path / "private" / "events_2026-05.jsonl").write_bytes(line)
    with pytest.raises(TomatoError, match="E-STORAGE-DAMAGED") as raised:
        list(read_records(tmp_path))
    assert "\n" not in str(raised.value) and "pydantic" not in str(raised.value) and "level: " in str(raised.value)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_sign_gets_an_escape(encoding: str, tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(state())
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "tomato_host", "status", "--data-dir", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=60)
    assert told.returncode == 0 and b"Traceback" not in told.stderr, told.stderr
    assert b"Measured" in told.stdout


@pytest.mark.parametrize("words", [["status"], ["dataset", "info"], ["--help"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(words: list[str], tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(state())
    where = {"status": ["--data-dir", str(tmp_path)], "dataset": [str(tmp_path)]}.get(words[0], [])
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "tomato_host", *words, *where]
    told = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (told.returncode, told.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["learn", "train"], ["learn", "demo"]], ids=" ".join)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch hidden as if it were not there; the modules that need it are imported anew."""
    for name in [name for name in sys.modules if name.startswith(("torch", "tomato_host.learn.offline"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOMATO_LEARN_KEYS", "")
    with pytest.raises(SystemExit) as ended:
        main(words)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert "E-EXTRA-LEARN: PyTorch is not installed" in err and "'.[learn]'" in err and "Traceback" not in err
