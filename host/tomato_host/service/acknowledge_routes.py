"""The page behind a notification's link: GET shows what would be acknowledged, POST acknowledges it, once.

Messengers and mail programs fetch links to show a preview of them; such a GET changes nothing. The link itself is the
right to do this one thing, so that a phone needs no token for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI
from fastapi import Path as PathPart
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from tomato_host.commands.inbox import new_request, submit, wait_reply
from tomato_host.errors import TomatoError
from tomato_host.service.notify.acknowledge_links import LINK_PATH, AcknowledgeLink, AcknowledgeLinks, Use

PATIENCE_S = 5.0
HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
Secret = Annotated[str, PathPart(pattern=r"^[A-Za-z0-9_-]{16,64}$")]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<link rel="stylesheet" href="/static/style.css"></head>
<body><main id="main"><section class="wide"><h1>{title}</h1>{body}</section></main></body></html>
"""
_ASK = """<p>{text}</p><p class="dim">Sent {sent} UTC.</p>
<p>You will not be reminded of this again for the time that [notify] acknowledged_h sets. What becomes worse, and every
other cause, is still sent. Nothing in the tent is switched by this.</p>
<form method="post"><button type="submit">I have seen it and take care of it</button></form>"""
_GONE: dict[Use, str] = {
    "used": "This link was used already. The message was acknowledged.",
    "expired": "This link has expired. A message that still matters is sent again with a new one.",
    "unknown": "This link is not known here. It may be old, or cut off at its end.",
}


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status, HEADERS)


def _ask(link: AcknowledgeLink) -> HTMLResponse:
    sent = datetime.fromisoformat(link.sent).astimezone(UTC)
    return _page("Acknowledge this message?", _ASK.format(text=escape(link.text), sent=f"{sent:%Y-%m-%d %H:%M}"))


def _gone(use: Use) -> HTMLResponse:
    return _page("Nothing to acknowledge", f"<p>{_GONE[use]}</p>", 404 if use == "unknown" else 410)


def _acknowledge(data_dir: Path, links: AcknowledgeLinks, secret: str) -> HTMLResponse:
    """Use the link up, then ask the host; a host that does not answer leaves the link as it was."""
    now = datetime.now(UTC)
    link = links.use_up(secret, now)
    if link is None:
        use, _ = links.look_up(secret, now)
        return _gone("used" if use == "open" else use)
    request = new_request("acknowledge_message", f"from the phone: {link.text}", cause=link.cause)
    try:
        submit(data_dir, request)
        reply = wait_reply(data_dir, request, PATIENCE_S)
    except TomatoError as error:
        links.give_back(secret)
        text = f"{error.message} {error.next_step} The link still works."
        return _page("Not acknowledged", f"<p>{escape(text)}</p>", 503)
    return _page("Acknowledged", f"<p>{escape(link.text)}</p><p>{escape(reply.text)}</p>")


def add_acknowledge_routes(app: FastAPI, data_dir: Path) -> None:
    """Add the page; it is no part of the API for programs."""
    links = AcknowledgeLinks(data_dir)

    @app.get(LINK_PATH + "{secret}", include_in_schema=False)
    async def ask(secret: Secret) -> HTMLResponse:
        use, link = await run_in_threadpool(links.look_up, secret, datetime.now(UTC))
        return _ask(link) if use == "open" and link is not None else _gone(use)

    @app.post(LINK_PATH + "{secret}", include_in_schema=False)
    async def acknowledge(secret: Secret) -> HTMLResponse:
        return await run_in_threadpool(_acknowledge, data_dir, links, secret)
