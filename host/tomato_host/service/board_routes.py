"""Routes to the board itself: calibration and latched faults, by the same inbox, with the board's own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BeforeValidator, Field, FiniteFloat
from starlette.concurrency import run_in_threadpool

from shared_schemas.devices import PUMP
from shared_schemas.records.action_v1 import ActionType, Params
from tomato_host.board.calibration import LEAST_RUN_S, pump_values, soil_values
from tomato_host.commands.inbox import Kind, Reply, new_request, submit, wait_reply
from tomato_host.errors import TomatoError
from tomato_host.service.change_routes import REFUSALS, RETRY_LATER, Reason, RequestBody, action_of
from tomato_host.service.idempotent_requests import REPEATABLE, IdempotencyKey
from tomato_host.service.security import AccessControl

Json = dict[str, Any]
PATIENCE_S: dict[Kind, float] = {"calibrate": 75.0, "read_probe": 150.0, "dose": 150.0, "clear_fault": 40.0}
"""A little longer than the host waits for the board: a probe is read five times, a pump may wait for its pause."""


def whole(value: Any) -> Any:
    """JSON has one kind of number: 51200.0 is a count as good as 51200."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Raw = Annotated[int, Field(ge=0, le=65_535), BeforeValidator(whole)]
Probe = Literal[1, 2]


class SoilBody(RequestBody):
    """Two points of one probe: raw counts, and water contents in % of the volume."""

    probe: Probe
    dry_raw: Raw
    wet_raw: Raw
    dry_pct: Annotated[FiniteFloat, Field(ge=0.0, le=30.0)]
    wet_pct: Annotated[FiniteFloat, Field(gt=30.0, le=100.0)]
    reason: Reason


class PumpBody(RequestBody):
    """How long the pump ran, and how much was in the jug afterwards."""

    seconds: Annotated[FiniteFloat, Field(ge=LEAST_RUN_S, le=120.0)]
    ml: Annotated[FiniteFloat, Field(gt=0.0, le=1_000.0)]
    reason: Reason


class ProbeBody(RequestBody):
    """Which probe to read."""

    probe: Probe
    reason: Reason


class DoseBody(RequestBody):
    """How much the pump delivers into the jug, in ml."""

    ml: Annotated[FiniteFloat, Field(ge=20.0, le=250.0)] = 200.0
    reason: Reason


class FaultBody(RequestBody):
    """Which latched fault to clear, by its name."""

    fault: Annotated[str, Field(min_length=1, max_length=40)]
    reason: Reason


def add_board_routes(app: FastAPI, data_dir: Path, access: AccessControl) -> None:
    """All of them need a token of role admin, go through the running host, and are recorded."""

    async def asked(kind: Kind, who: str, reason: str, **fields: Any) -> Json:
        return answer(await run_in_threadpool(_ask, data_dir, kind, who, reason, fields))

    @app.post("/api/calibrate/soil", tags=["board"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def calibrate_soil(ask: SoilBody, who: str = Depends(access.admin)) -> Json:
        """Set two calibration points of one probe; `values` has what the board stored."""
        values = _in_range(lambda: soil_values(ask.probe, ask.dry_raw, ask.wet_raw, ask.dry_pct, ask.wet_pct))
        return await asked("calibrate", who, ask.reason, values=values)

    @app.post("/api/calibrate/pump", tags=["board"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def calibrate_pump(ask: PumpBody, who: str = Depends(access.admin)) -> Json:
        """Set what the pump delivers; `values` has what the board stored."""
        values = _in_range(lambda: pump_values(ask.seconds, ask.ml))
        return await asked("calibrate", who, ask.reason, values=values)

    @app.post("/api/calibrate/probe", tags=["board"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def read_probe(ask: ProbeBody, who: str = Depends(access.admin)) -> Json:
        """Read a probe's raw count: the median of five new readings, in `raw`; takes about ten seconds."""
        return await asked("read_probe", who, ask.reason, probe=ask.probe)

    @app.post("/api/calibrate/dose", tags=["board"], responses=REFUSALS)
    async def dose(ask: DoseBody, key: IdempotencyKey = None, who: str = Depends(access.admin)) -> Json:
        """Run the pump into a jug, through the guardrails; `seconds` is how long it was on."""
        action = action_of(ActionType(PUMP.action), Params(ml=ask.ml, pulses=1), ask.reason, who, key)
        return await asked("dose", who, ask.reason, action=action)

    @app.post("/api/clear-fault", tags=["board"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def clear_fault(ask: FaultBody, who: str = Depends(access.admin)) -> Json:
        """Clear one latched fault; the board refuses while its cause lasts, and when the fault needs the button."""
        return await asked("clear_fault", who, ask.reason, fault=ask.fault)


def answer(reply: Reply) -> Json:
    """The board's answer: 409 with its reason when it refuses, 503 when it does not answer."""
    if not reply.ok:
        raise HTTPException(503 if reply.code == "E-BOARD-SILENT" else 409, reply.text, RETRY_LATER)
    shown = reply.model_dump(mode="json", include={"text", "values", "raw", "seconds", "board_state", "faults"})
    return {"ok": True, **shown}


def _in_range(make: Any) -> dict[str, int]:
    try:
        values: dict[str, int] = make()
    except TomatoError as error:
        raise HTTPException(409, f"{error.message} Next: {error.next_step}") from None
    return values


def _ask(data_dir: Path, kind: Kind, who: str, reason: str, fields: dict[str, Any]) -> Reply:
    request = new_request(kind, f"api {who}: {reason}", **fields)
    submit(data_dir, request)
    return wait_reply(data_dir, request, PATIENCE_S[kind])
