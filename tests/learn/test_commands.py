"""`tomato-host learn`: the commands that need no torch, and proof that they and the deciding loop load none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.learn.slot import GrowthSlot
from tomato_host.learn.state_file import LearnState, read_state, write_state

from shared_schemas.learn.lifecycle import SlotStage

STATE = LearnState(42, True, 3, (GrowthSlot("vpd_kpa.0", SlotStage.SHADOWING, 1, 40),), {"boundary_ms": 3.25})


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    try:
        main(["learn", *words])
    except SystemExit as end:
        assert end.code == 0
    return capsys.readouterr().out


def test_status_and_slots_show_what_was_committed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    told = output(capsys, "status", "--data", str(tmp_path))
    assert "Epoch 42, conservative mode, policy 3, 1 slots" in told and "boundary_ms" in told and "3.25" in told
    listed = output(capsys, "slots", "--data", str(tmp_path))
    assert "vpd_kpa.0" in listed and "SHADOWING" in listed and "BP001" in listed and "G3 interface" in listed
    facts = json.loads(output(capsys, "slots", "--data", str(tmp_path), "--json"))
    assert facts["slots"][0]["stage"] == "SHADOWING" and facts["epoch"] == 42
    assert json.loads(output(capsys, "status", "--data", str(tmp_path), "--json"))["conservative"] is True


def test_without_a_state_the_commands_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has not run" in output(capsys, "status", "--data", str(tmp_path))
    assert "No growth slot" in output(capsys, "slots", "--data", str(tmp_path))


def test_a_state_cut_at_every_byte_is_refused_with_the_next_step(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    path = tmp_path / "learn" / "state.json"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(TomatoError) as error:
            read_state(tmp_path)
        assert error.value.code == "E-LEARN-STATE"


@pytest.mark.parametrize(
    "bad", [b"[]", b'{"format": 2}', b'{"format": 1}', b'{"format": 1, "slots": [{"stage": "X"}]}']
)
def test_a_state_that_is_none_is_refused(tmp_path: Path, bad: bytes) -> None:
    write_state(tmp_path, STATE)
    (tmp_path / "learn" / "state.json").write_bytes(bad)
    with pytest.raises(TomatoError, match="cannot be read"):
        read_state(tmp_path)


def test_doctor_names_what_is_missing_and_fails_without_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOMATO_LEARN_KEYS", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["learn", "doctor", "--json"])
    checks = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert end.value.code == 1 and not checks["keys"]["present"] and checks["protobuf"]["present"]
    monkeypatch.setenv("TOMATO_LEARN_KEYS", "ab" * 32)
    assert "keys" in output(capsys, "doctor")


LOADED = """
import sys, {module}
heavy = [name for name in ("torch", "tomato_host.learn.signing", "google.protobuf") if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize("module", ["tomato_host.app", "tomato_host.cli.learn", "tomato_host.settings"])
def test_neither_the_deciding_loop_nor_the_command_line_loads_torch_or_protobuf(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


WITHOUT_TORCH = """
import importlib, pkgutil, sys
sys.modules["torch"] = None
import tomato_host.learn
for found in pkgutil.walk_packages(tomato_host.learn.__path__, "tomato_host.learn."):
    name = found.name.rsplit(".", 1)[1]
    source = open(found.module_finder.path + "/" + name + ("/__init__" if found.ispkg else "") + ".py").read()
    if "import torch" not in source:
        importlib.import_module(found.name)
"""


def test_every_file_that_does_not_say_import_torch_loads_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
