"""docs/learning.md answers every criterion of every ticket, with tests that exist; the set-up page is walked."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tomato_host.cli.main import main

from tests.bus.brokers import RealRedis, needs_redis

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
SETUP = (ROOT / "docs" / "learning_setup.md").read_text(encoding="utf-8")
TICKETS = {
    "001": 3, "002": 3, "003": 3, "004": 3, "005": 3, "006": 2,
    "101": 4, "102": 4, "103": 4, "104": 4, "105": 4, "106": 3,
    "201": 4, "202": 3, "203": 3, "204": 3, "205": 3, "206": 3,
    "301": 3, "302": 3, "303": 4, "304": 3, "305": 2,
    "401": 3, "402": 4, "403": 3, "404": 4, "405": 3,
    "501": 3, "502": 2, "503": 2, "504": 2,
}  # fmt: skip
"""Acceptance criteria by ticket, as the requirement counts them."""
ROW = re.compile(r"^\| TKT-(\d{3}) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall(PAGE)


def test_every_criterion_of_every_ticket_has_its_row_and_none_is_empty() -> None:
    found: dict[str, int] = {}
    for ticket, _, where in rows():
        found[ticket] = found.get(ticket, 0) + 1
        assert len(where.strip()) > 10 and "not built yet" not in where.lower(), (ticket, where)
    assert found == TICKETS


def test_tests_that_the_page_names_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 60
    missing = {name for name in named if f"def {name}(" not in tests}
    assert not missing, missing


def commands() -> list[str]:
    """The `tomato-host` lines of the set-up page's blocks."""
    blocks = SETUP.split("```")[1::2]
    return [line for block in blocks for line in block.splitlines() if line.startswith("tomato-host")]


@needs_redis
def test_the_set_up_page_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = RealRedis(tmp_path / "redis")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOMATO_LEARN_KEYS", "ab" * 32)
    toml = re.search(r"```toml\n(.*?)```", SETUP, re.DOTALL)
    assert toml is not None and len(commands()) == 5
    text = toml.group(1).replace("redis://127.0.0.1:6379/0", broker.url)
    text = text.replace("elasticsearch = ", "port = 0\nelasticsearch = ").replace("http://127.0.0.1:9200", "")
    Path("tomato.toml").write_text(text)
    try:
        for line in commands():
            try:
                main(shlex.split(line)[1:])
            except SystemExit as end:
                assert end.code == 0, (line, capsys.readouterr())
            assert capsys.readouterr().out, line
    finally:
        broker.stop()


def test_every_command_of_the_requirement_is_there_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = (
        "run once doctor observe conservative status slots blueprints compile fetch reports train validate promote "
        "rollback drill demo bench profile"
    )
    for name in wanted.split():
        with pytest.raises(SystemExit) as end:
            main(["learn", name, "--help"])
        assert end.value.code == 0 and "--json" in capsys.readouterr().out, name
    with pytest.raises(SystemExit):
        main(["learn", "reports", "--data", "/nonexistent", "--json"])
    assert json.loads(capsys.readouterr().out) == {"reports": []}
