"""The generator: what is committed is what it writes, and a drift is found and named."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_schemas", ROOT / "tools" / "generate_schemas.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_the_generated_ones(generator: ModuleType) -> None:
    assert generator.drifted(generator.generated_files()) == []


def test_a_changed_missing_or_stray_file_is_named(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    files = {export / path.name: text for path, text in generator.generated_files().items()}
    export.mkdir()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "EXPORT", export)
    monkeypatch.setattr(generator, "generated_files", lambda: files)
    assert generator.main(["--check"]) == 0
    (export / "contract.py").write_text("LEASE_MS = 60000\n", encoding="utf-8")
    (export / "wire.cddl").unlink()
    (export / "old_v1.schema.json").write_text("{}", encoding="utf-8")
    assert generator.main(["--check"]) == 1
    told = capsys.readouterr().out
    for name in ("contract.py", "wire.cddl", "old_v1.schema.json"):
        assert name in told
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0


def test_the_cddl_has_a_rule_for_every_message_and_field(generator: ModuleType) -> None:
    from shared_schemas import wire

    text = generator.wire_cddl()
    for message in wire.MESSAGES:
        assert f"\n{message.name.lower().replace('_', '-')} = {{" in text
    for field in wire.FIELDS[1:]:
        assert f"\n{field.name} = " in text
