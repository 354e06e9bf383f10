"""No log line holds an e-mail address, a telephone number or a token, wherever in it they stand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
import structlog
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.logs import Log, configure_log
from tomato_host.redaction import HIDDEN, redact, redact_event

letters = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8)
digits = st.text("0123456789", min_size=7, max_size=11)
emails = st.builds("{}.{}@{}.{}".format, letters, letters, letters, st.sampled_from(["at", "com", "co.uk"]))
telephones = st.builds(lambda sign, number: f"{sign}{number}", st.sampled_from(["+43 ", "0043", "+1-"]), digits)
tokens = st.one_of(
    st.builds("Bearer {}".format, st.text("abcdefABCDEF0123456789", min_size=20, max_size=40)),
    st.builds("token={}".format, st.text("abcdefABCDEF0123456789", min_size=4, max_size=40)),
    st.builds("a1{}".format, st.text("abcdefABCDEF0123456789_-", min_size=32, max_size=60).filter(str.isalnum)),
)
private = st.one_of(emails, telephones, tokens)
around = st.sampled_from(["", "called ", "write to: ", "(", "caller=", "\n", "„"])
after = st.sampled_from(["", " please", ")", ", thanks", "\n", ";", "“"])


def secret_of(text: str) -> str:
    """The part of a sample that must not be readable."""
    return text.removeprefix("Bearer ").removeprefix("token=").removeprefix("+43 ").removeprefix("+1-")


@given(private, around, after)
def test_what_is_private_is_gone_wherever_it_stands(sample: str, before: str, behind: str) -> None:
    for value in (before + sample + behind, {"note": [before + sample + behind]}, {before + sample: 1}):
        shown = json.dumps(redact(value), ensure_ascii=False)
        assert secret_of(sample) not in shown and HIDDEN in shown


@given(
    st.recursive(st.one_of(private, st.integers(), st.none()), lambda inner: st.lists(inner, max_size=3), max_leaves=6)
)
def test_redacting_twice_changes_nothing(value: Any) -> None:
    assert redact(redact(value)) == redact(value)


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01T08:00:00+02:00", "intent i-000017 of planner: accepted", "P1 18.2 % at 24.5 °C, 600 ml/h",
        "a0f3c2d1e5b6a7f8 world effect", "0.2.0", "127.0.0.1:8421", "1780308000.123", "view_seq=1777629600001",
    ],
)  # fmt: skip
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("key", ["password", "api_key", "Authorization", "access_token", "client_secret"])
def test_a_secret_is_known_by_its_name(key: str) -> None:
    event = redact_event(None, "info", {"event": "x", key: "12", "tokens": 12})
    assert event == {"event": "x", key: HIDDEN, "tokens": 12}


def logged(say: Callable[[], None]) -> str:
    """What stands on standard error; nothing may stand on standard output, where it would break readers of --json."""
    out, answers = io.StringIO(), io.StringIO()
    structlog.reset_defaults()
    with redirect_stderr(out), redirect_stdout(answers):
        say()
    assert answers.getvalue() == ""
    return out.getvalue()


def test_every_line_of_the_log_is_redacted_and_leaves_standard_output_to_answers() -> None:
    line = logged(
        lambda: Log("test").warning("mail_failed", to="ann.bee@example.org", error="call +43 660 1234567", token="abc")
    )
    assert "mail_failed" in line and line.count(HIDDEN) == 3
    assert not any(part in line for part in ("example.org", "1234567", "abc"))


def test_a_traceback_is_redacted_and_shows_no_local_variables() -> None:
    def fail() -> None:
        account = "@".join(["ann.bee", "example.org"])
        try:
            raise ValueError("no account " + account)
        except ValueError:
            Log("test").exception("mail_failed")

    text = logged(fail)
    assert "mail_failed" in text and "Traceback" in text and "ValueError: no account" in text
    assert "ann.bee@" not in text and "account = " not in text


def test_tests_that_read_the_log_leave_it_as_it_was() -> None:
    """`capture_logs` configures what is not yet; so it is before the first test (tests/conftest.py)."""
    structlog.reset_defaults()
    configure_log()
    with structlog.testing.capture_logs() as lines:
        Log("test").info("seen", token="abc")
    assert [line["event"] for line in lines] == ["seen"]
    out = io.StringIO()
    with redirect_stderr(out):
        Log("test").info("written", token="abc")
    assert "written" in out.getvalue() and "abc" not in out.getvalue()
