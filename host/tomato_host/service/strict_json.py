"""Request bodies as RFC 8259 has them: no NaN, no Infinity, no number beyond a double, no lone surrogate.

Python's parser accepts all four, and an answer that repeats one of them cannot be written as JSON. What is refused here
becomes a 422 with the place and the reason, like any other body that is no JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

MOST_ERRORS = 20
SHOWN = 200
"""Characters of an error's message."""


def parse_strict(text: str) -> Any:
    """The value of a JSON text. Raises json.JSONDecodeError for everything that RFC 8259 does not have."""

    def refuse_constant(name: str) -> float:
        raise json.JSONDecodeError(f"{name} is no JSON number", text, 0)

    def finite(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise json.JSONDecodeError("a number is too large", text, 0)
        return value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):  # of two amounts of water nobody knows which one is meant
            raise json.JSONDecodeError("a key stands twice in one object", text, 0)
        return found

    try:
        value = json.loads(text, parse_constant=refuse_constant, parse_float=finite, object_pairs_hook=unique)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None
    except UnicodeEncodeError:
        raise json.JSONDecodeError("a lone surrogate is no character", text, 0) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # an integer of more digits than Python converts
        raise json.JSONDecodeError(str(error)[:SHOWN], text, 0) from None
    return value


class StrictRequest(Request):
    """A request whose body is parsed strictly."""

    async def json(self) -> Any:
        """The body. Raises json.JSONDecodeError."""
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                text = body.decode()
            except UnicodeDecodeError:
                raise json.JSONDecodeError("the body is not UTF-8", "", 0) from None
            self._json = parse_strict(text)
        return self._json


class StrictRoute(APIRoute):
    """A route whose request bodies are parsed strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which sees a StrictRequest."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


async def invalid_request_answer(_request: Request, error: Exception) -> JSONResponse:
    """422: where and why, without the value, which may be anything."""
    assert isinstance(error, RequestValidationError)
    found = [
        {"loc": [str(part)[:SHOWN] for part in item["loc"]], "msg": _reason(item), "type": item["type"]}
        for item in error.errors()[:MOST_ERRORS]
    ]
    return JSONResponse({"detail": found}, status_code=422)


def _reason(item: dict[str, Any]) -> str:
    context = item.get("ctx", {}).get("error")
    text = f"{item['msg']}: {context}" if isinstance(context, str) else str(item["msg"])
    return text.encode("utf-8", "replace").decode()[:SHOWN]
