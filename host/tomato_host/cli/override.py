"""Operator commands: water, light, pause, resume, mode. Same guardrails, higher priority, bounded in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tomato_host.cli.completion_words import one_of
from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.commands.inbox import Request

DataDir = Annotated[Path, typer.Option("--data-dir", help="The data directory of the running host.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is written into the record.")]
Wait = Annotated[float, typer.Option("--timeout", min=0.1, max=600.0, help="Seconds to wait for the host's answer.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End with the verdict; do not wait for what comes of it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")]
DEFAULT_DATA_DIR = Path("data")
UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3_600}
MAX_S = 86_400


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `30m` or `2h`. Raises TomatoError E-OVERRIDE-DURATION."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h)", text.strip().lower())
    seconds = float(found[1]) * UNIT_S[found[2]] if found else 0.0
    if not 1.0 <= seconds <= MAX_S:
        raise TomatoError(
            "E-OVERRIDE-DURATION", f"{text!r} is not a duration between 1s and 24h.", "write it like 90s, 30m or 2h"
        )
    return seconds


def person_action(kind: str, reason: str, **params: Any) -> dict[str, Any]:
    """The fields of an action request; imports wait until a command is really called."""
    from shared_schemas.records import ActionV1

    now = datetime.now(UTC)
    return {
        "action": ActionV1.model_validate(
            {
                "schema_version": "action_v1",
                "ts": now,
                "type": kind,
                "origin": "person",
                "id": f"h-{now:%Y%m%dT%H%M%S%f}",
                "params": params,
                "why": {"rules_fired": ["manual_override"], "text": reason[:200] or "requested by the operator"},
            }
        )
    }


def send(data_dir: Path, request: Request, timeout_s: float, as_json: bool) -> None:
    """Submit the request and print the reply; a refusal is an error with its reason."""
    from tomato_host.commands.inbox import submit, wait_reply

    submit(data_dir, request)
    reply = wait_reply(data_dir, request, timeout_s)
    if as_json:
        typer.echo(reply.model_dump_json())
    if not reply.ok:
        raise TomatoError(
            "E-OVERRIDE-REFUSED",
            f"The host refused: {reply.text}",
            "see `tomato-host explain` for what was decided and why",
        )
    if not as_json:
        typer.echo(reply.text)


OUTCOME_S = 300.0
"""A dose of several pulses with their pauses takes minutes."""


def _send_action(data_dir: Path, kind: str, reason: str, wait: bool, timeout_s: float, as_json: bool, **p: Any) -> None:
    """Ask for an action, print the verdict, and then what came of it. Raises TomatoError E-OVERRIDE-*, E-INBOX-*."""
    from tomato_host.commands.awaited_outcomes import outcome_reply_id
    from tomato_host.commands.inbox import new_request, wait_reply

    request = new_request("action", reason, **person_action(kind, reason, **p), outcome=wait)
    send(data_dir, request, timeout_s, as_json)
    if not wait:
        return
    later = request.model_copy(update={"id": outcome_reply_id(request.id)})
    reply = wait_reply(data_dir, later, OUTCOME_S)
    if as_json:
        typer.echo(reply.model_dump_json())
    if not reply.ok:
        raise TomatoError("E-OVERRIDE-ENDED", f"It was not carried out as asked: {reply.text}.", "tomato-host explain")
    if not as_json:
        typer.echo(reply.text)


def water(
    amount: Annotated[float | None, typer.Argument(metavar="[ML]", min=5.0, max=1_000.0, help="Same as --ml.")] = None,
    ml: Annotated[
        float | None, typer.Option("--ml", min=5.0, max=1_000.0, help="How much, in ml; may be clipped.")
    ] = None,
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Water once, through the guardrails, and say what was delivered."""
    from shared_schemas.devices import PUMP

    if (amount is None) == (ml is None):
        raise TomatoError("E-OVERRIDE-AMOUNT", "How many ml?", "write `water 150` or `water --ml 150`")
    wanted = amount if ml is None else ml
    _send_action(data_dir, PUMP.action, reason, not no_wait, timeout_s, as_json, ml=wanted)


def light(
    state: Annotated[str, typer.Argument(help="on or off", autocompletion=one_of("on", "off"))],
    duration: Annotated[str, typer.Option("--for", help="How long, like 30m or 2h.")] = "2h",
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Switch the lamp on or keep it off for a while; then the plan applies again."""
    from shared_schemas.devices import LAMP

    if state.lower() not in ("on", "off"):
        raise TomatoError("E-OVERRIDE-STATE", f"{state!r} is neither on nor off.", "write `light on` or `light off`")
    params = {"state": state.upper(), "seconds": parse_duration(duration)}
    _send_action(data_dir, LAMP.action, reason, not no_wait, timeout_s, as_json, **params)


def _mode(
    wanted: Literal["NORMAL", "PAUSED", "SAFE"],
    duration: str | None,
    reason: str,
    data_dir: Path,
    timeout_s: float,
    as_json: bool,
) -> None:
    from tomato_host.commands.inbox import later, new_request

    until = later(parse_duration(duration)) if duration is not None else None
    send(data_dir, new_request("mode", reason, mode=wanted, until=until), timeout_s, as_json)


def pause(
    duration: Annotated[str, typer.Option("--for", help="Duration, like 30m or 2h; then it resumes by itself.")] = "1h",
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
    as_json: AsJson = False,
) -> None:
    """Pause the controller, for work at the plants; your own commands still pass."""
    _mode("PAUSED", duration, reason, data_dir, timeout_s, as_json)


def resume(
    reason: Reason = "", data_dir: DataDir = DEFAULT_DATA_DIR, timeout_s: Wait = 15.0, as_json: AsJson = False
) -> None:
    """End a pause now."""
    _mode("NORMAL", None, reason, data_dir, timeout_s, as_json)


def mode(
    wanted: Annotated[
        str,
        typer.Argument(
            help="normal, safe or acknowledge (the reported cause has been dealt with)",
            autocompletion=one_of("normal", "safe", "acknowledge"),
        ),
    ],
    duration: Annotated[str, typer.Option("--for", help="For safe: how long, like 30m or 2h.")] = "24h",
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
    as_json: AsJson = False,
) -> None:
    """Request safe mode, end it, or acknowledge that the reported cause has been dealt with."""
    from tomato_host.commands.inbox import new_request

    name = wanted.lower()
    if name == "acknowledge":
        send(data_dir, new_request("acknowledge", reason), timeout_s, as_json)
    elif name == "normal":
        _mode("NORMAL", None, reason, data_dir, timeout_s, as_json)
    elif name == "safe":
        _mode("SAFE", duration, reason, data_dir, timeout_s, as_json)
    else:
        raise TomatoError(
            "E-OVERRIDE-MODE",
            f"{wanted!r} is not a mode that can be requested.",
            "choose normal, safe or acknowledge; for a pause use `tomato-host pause`",
        )
