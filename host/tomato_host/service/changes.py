"""What the API may ask for, and how it reaches the running host: through the same inbox and door as everybody."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from shared_schemas.records.action_v1 import ActionType, ActionV1, Params, Why
from tomato_host.commands.inbox import Reply, Request, new_request, submit, wait_reply

PATIENCE_S = 5.0
DURABLE = timedelta(seconds=60)
SWITCHES: dict[str, ActionType] = {
    "light": ActionType.SET_LIGHT,
    "circulation_fan": ActionType.SET_CIRCULATION_FAN,
    "exhaust_fan": ActionType.SET_EXHAUST_FAN,
    "humidifier": ActionType.SET_HUMIDIFIER,
    "heater_mat": ActionType.SET_HEATER_MAT,
}
Reason = Annotated[str, Field(min_length=1, max_length=150)]


class Ask(BaseModel):
    """A body of the API: unknown keys are refused, and so is `true` where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WaterAsk(Ask):
    """Give water once."""

    ml: Annotated[FiniteFloat, Field(gt=0.0, le=1_000.0)]
    reason: Reason


class SwitchAsk(Ask):
    """Switch an output ON for a time, or OFF."""

    output: Literal["light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat"]
    state: Literal["ON", "OFF"]
    seconds: Annotated[FiniteFloat, Field(gt=0.0, le=21_600.0)] = 600.0
    reason: Reason


class ModeAsk(Ask):
    """Pause the controller, ask for safe mode, or take either back."""

    mode: Literal["NORMAL", "PAUSED", "SAFE"]
    hours: Annotated[FiniteFloat, Field(gt=0.0, le=24.0)] = 1.0
    reason: Reason


def water_action(ask: WaterAsk, who: str) -> ActionV1:
    """The proposal of a watering."""
    return action_of(ActionType.WATER, Params(ml=ask.ml), ask.reason, who)


def switch_action(ask: SwitchAsk, who: str) -> ActionV1:
    """The proposal of a switch."""
    params = Params(state="OFF") if ask.state == "OFF" else Params(state="ON", seconds=ask.seconds)
    return action_of(SWITCHES[ask.output], params, ask.reason, who)


def action_of(kind: ActionType, params: Params, reason: str, who: str) -> ActionV1:
    """A proposal of somebody who came by the API."""
    now = datetime.now(UTC)
    return ActionV1(
        schema_version="action_v1",
        ts=now,
        type=kind,
        params=params,
        origin="api",
        id=f"api-{uuid.uuid4().hex}",
        not_after=now + DURABLE,
        why=Why(text=f"{who}: {reason}", objective_hint="asked for by a person"),
    )


def propose(data_dir: Path, action: ActionV1, who: str, reason: str) -> Reply:
    """Hand a proposal to the running host and wait for the door's word. Raises TomatoError as the inbox does."""
    return _ask(data_dir, new_request("action", f"api {who}: {reason}", action=action))


def change_mode(data_dir: Path, ask: ModeAsk, who: str) -> Reply:
    """Ask for a mode, bounded in time."""
    until = datetime.now(UTC) + timedelta(hours=ask.hours)
    return _ask(data_dir, new_request("mode", f"api {who}: {ask.reason}", mode=ask.mode, until=until))


def acknowledge(data_dir: Path, who: str, reason: str) -> Reply:
    """Say that what needed a hand has been dealt with."""
    return _ask(data_dir, new_request("acknowledge", f"api {who}: {reason}"))


def _ask(data_dir: Path, request: Request) -> Reply:
    submit(data_dir, request)
    return wait_reply(data_dir, request, PATIENCE_S)
