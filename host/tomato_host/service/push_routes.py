"""Routes for alarms on a device: the host's public key, subscribe, unsubscribe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from tomato_host.service.change_routes import REFUSALS, RequestBody
from tomato_host.service.idempotent_requests import REPEATABLE
from tomato_host.service.installation import Installation
from tomato_host.service.notify.push_store import PushDevice, PushStore, why_no_device
from tomato_host.service.notify.web_push import PushKey, can_push
from tomato_host.service.security import AccessControl

Json = dict[str, Any]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]


class PushKeys(RequestBody):
    """The browser's keys, base64url."""

    p256dh: Text
    auth: Text


class SubscribeBody(RequestBody):
    """A subscription as `PushSubscription.toJSON()` has it."""

    endpoint: Text
    keys: PushKeys
    expirationTime: float | None = None


class UnsubscribeBody(RequestBody):
    """Which subscription ends."""

    endpoint: Text


def add_push_routes(app: FastAPI, data_dir: Path, installation: Installation, access: AccessControl) -> None:
    """Role `operate`: who may water may also be woken."""
    store = PushStore(data_dir)

    @app.get("/api/push", tags=["push"], responses=REFUSALS)
    async def push(_read: None = Depends(access.read)) -> Json:
        """The host's public key, whether alarms are sent to devices, and how many have subscribed."""
        if not can_push():
            return {"key": None, "enabled": False, "devices": 0}
        key = await run_in_threadpool(PushKey, data_dir)
        return {"key": key.public, "enabled": installation.push, "devices": len(store.all())}

    @app.post("/api/push", tags=["push"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def subscribe(ask: SubscribeBody, who: str = Depends(access.operate)) -> Json:
        """Send alarms to this browser from now on."""
        device = PushDevice(ask.endpoint, ask.keys.p256dh, ask.keys.auth, who)
        if problem := why_no_device(device, installation.push_services):
            raise HTTPException(409, problem)
        await run_in_threadpool(store.add, device)
        return {"ok": True, "devices": len(store.all())}

    @app.post("/api/push/end", tags=["push"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def unsubscribe(ask: UnsubscribeBody, _who: str = Depends(access.operate)) -> Json:
        """No more alarms for this browser."""
        return {"ok": await run_in_threadpool(store.remove, ask.endpoint), "devices": len(store.all())}
