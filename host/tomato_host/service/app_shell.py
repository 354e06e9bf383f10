"""The pages as files that a browser may keep: the page itself, its scripts, and the service worker that lists them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

WEB = Path(__file__).parent / "web"
KEPT = (".js", ".css", ".json", ".svg", ".png", ".webmanifest")
"""Endings of the files that the pages need without a network."""
NOT_KEPT = frozenset(
    {"sw.js", "fleet.js", "fleet.css", "report.js", "report.css", "icons/icon-512.png", "icons/maskable-512.png"}
)
"""The worker itself, pages that mean nothing without a broker, and pictures that only installing needs."""


BARE_QUERY = "bare"
BARE_PAGE = f"/?{BARE_QUERY}"
"""The page without values: what a browser keeps for when there is no network."""
VALUES = "<!--VALUES-->"
Json = dict[str, Any]


class RevalidatedFiles(StaticFiles):
    """Files that a browser keeps and asks about each time: after an upgrade no page runs with an old script."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or 304 when the browser's copy is the same."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def shell_files() -> list[str]:
    """Addresses of everything that the pages need, the page itself first."""
    names = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.suffix in KEPT)
    return [BARE_PAGE, *(f"/static/{name}" for name in names if name not in NOT_KEPT)]


def service_worker() -> bytes:
    """`sw.js` with its list of files and a version that changes with any of them."""
    source, files = (WEB / "sw.js").read_text(encoding="utf-8"), shell_files()
    content = hashlib.sha256(source.encode())
    for name in files:
        content.update((WEB / (name.removeprefix("/static/") if name != BARE_PAGE else "index.html")).read_bytes())
    listed = ", ".join(f'"{name}"' for name in files)
    return source.replace("/*VERSION*/", content.hexdigest()[:16]).replace("/*SHELL*/", listed).encode()


def page_with(values: Json | None) -> str:
    """The page; with its first values in it, which its scripts then need not wait for. None: without any."""
    page = (WEB / "index.html").read_text(encoding="utf-8")
    text = "" if values is None else json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return page.replace(VALUES, text and f'<script type="application/json" id="first-values">{text}</script>')


def add_app_shell(app: FastAPI, first_values: Callable[[Request], Json | None]) -> None:
    """The page and its service worker. `first_values`: what the overview shows, None for who may not read it."""
    worker = service_worker()

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        values = None if request.url.query == BARE_QUERY else first_values(request)
        # Values of a moment are kept by nothing in between: the back button shows those of now.
        headers = {"Cache-Control": "no-cache" if values is None else "no-store"}
        return Response(page_with(values), media_type="text/html", headers=headers)

    @app.get("/sw.js", include_in_schema=False)
    async def worker_script() -> Response:
        return Response(worker, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    app.mount("/static", RevalidatedFiles(directory=WEB), name="static")
