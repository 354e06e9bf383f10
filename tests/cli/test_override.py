"""The commands water, light, pause, resume and mode: what they send, what they show."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.cli.override import parse_duration
from tomato_host.commands.awaited_outcomes import outcome_reply_id
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.errors import TomatoError


def host_that_answers(
    data_dir: Path, answer: Callable[[Request], Reply], ended: str = ""
) -> tuple[threading.Thread, list[Request]]:
    """A small host at the other end of the inbox: answers the first request, then what came of it, and ends."""
    inbox, seen = Inbox(data_dir), list[Request]()

    def serve() -> None:
        for _ in range(200):
            for request in inbox.pop_requests():
                seen.append(request)
                inbox.reply(answer(request))
                if request.outcome:
                    ok = "delivered" in ended
                    inbox.reply(Reply(id=outcome_reply_id(request.id), ok=ok, text=ended))
                return
            threading.Event().wait(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, seen


def run(data_dir: Path, *words: str, ok: bool = True, ended_as: str = "150 of 150 ml delivered") -> Request:
    thread, seen = host_that_answers(
        data_dir, lambda r: Reply(id=r.id, ok=ok, text="per day: 2200 of 2200 ml"), ended_as
    )
    try:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--data-dir", str(data_dir), "--timeout", "4"])
    finally:
        thread.join()
    assert ended.value.code == (0 if ok and "delivered" in ended_as else 2)
    return seen[0]


def test_water_is_a_persons_proposal_with_its_reason(tmp_path: Path) -> None:
    request = run(tmp_path, "water", "--ml", "150", "--reason", "leaves hang")
    assert request.kind == "action" and request.action is not None
    assert (request.action.type, request.action.params.ml, request.action.origin) == ("WATER", 150.0, "person")
    assert request.action.why.text == "leaves hang"


@pytest.mark.parametrize(("word", "state"), [("on", "ON"), ("off", "OFF")])
def test_light_is_bounded_in_time(tmp_path: Path, word: str, state: str) -> None:
    request = run(tmp_path, "light", word, "--for", "90m")
    assert request.action is not None
    assert (request.action.params.state, request.action.params.seconds) == (state, 5400.0)


@pytest.mark.parametrize(
    ("words", "mode", "bounded"),
    [
        (("pause", "--for", "30m"), "PAUSED", True),
        (("resume",), "NORMAL", False),
        (("mode", "safe", "--for", "1h"), "SAFE", True),
        (("mode", "normal"), "NORMAL", False),
    ],
)
def test_modes(tmp_path: Path, words: tuple[str, ...], mode: str, bounded: bool) -> None:
    request = run(tmp_path, *words)
    assert request.kind == "mode" and request.mode == mode and (request.until is not None) == bounded


def test_acknowledge(tmp_path: Path) -> None:
    assert run(tmp_path, "mode", "acknowledge").kind == "acknowledge"


def test_a_refusal_is_an_error_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "water", "--ml", "50", ok=False)
    assert "E-OVERRIDE-REFUSED" in (text := capsys.readouterr().err) and "2200 of 2200 ml" in text


def test_json_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "water", "--ml", "50", "--json")
    assert [json.loads(line)["ok"] for line in capsys.readouterr().out.splitlines()] == [True, True]


def test_water_prints_what_was_delivered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "water", "--ml", "150").outcome is True
    assert capsys.readouterr().out.splitlines()[-1] == "150 of 150 ml delivered"


def test_an_action_cancelled_by_safe_mode_is_an_error_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "water", "--ml", "150", ended_as="cancelled by safe mode (leak): 40 of 150 ml")
    text = capsys.readouterr().err
    assert "E-OVERRIDE-ENDED" in text and "cancelled by safe mode (leak)" in text and "rejected" not in text


def test_no_wait_ends_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "water", "--ml", "150", "--no-wait").outcome is False
    assert "delivered" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("light", "dim"), "E-OVERRIDE-STATE"),
        (("light", "on", "--for", "soon"), "E-OVERRIDE-DURATION"),
        (("mode", "party"), "E-OVERRIDE-MODE"),
        (("resume",), "E-INBOX-MISSING"),
    ],
)
def test_clear_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--data-dir", str(tmp_path)])
    assert ended.value.code == 2 and code in capsys.readouterr().err


def test_durations() -> None:
    assert [parse_duration(text) for text in ("90s", "30m", "30 min".replace(" ", ""), "2h", "1.5H")] == [
        90.0,
        1800.0,
        1800.0,
        7200.0,
        5400.0,
    ]
    for text in ("", "2", "h", "0s", "25h", "-1h", "1e9h"):
        with pytest.raises(TomatoError, match="E-OVERRIDE-DURATION"):
            parse_duration(text)
