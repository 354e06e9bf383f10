"""The API of a running host on the real firmware under hostile requests: whatever comes in, no 5xx comes out."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.request import urlopen

import pytest
from tomato_host.service.tokens import TokenFile

from tests.service.test_fuzz import ENDLESS, fresh_key, schemathesis, throw
from tests.web.conftest import Host

pytestmark = pytest.mark.web
SLOW = {"/api/calibrate/dose", "/api/calibrate/probe"}
"""They run a pump and read a probe for up to two minutes; the form's own test does that once."""
ENDS_THE_HOST = "/api/setup/restart"
"""Ends what is tested here, with whatever it is answering; tests/web/test_setup.py restarts a host."""
EXAMPLES = 6


def until_ready(host: Host, seconds: float = 60.0) -> None:
    """`/readyz` says 503 until the board answers; that is no fault of the API."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), urlopen(f"{host.url}/readyz", timeout=2):
            return
        time.sleep(0.3)
    raise AssertionError("the host was never ready")


def test_a_running_host_answers_whatever_is_thrown_at_it(host: Host) -> None:
    key = {"Authorization": f"Bearer {TokenFile(host.data_dir).create('thrower', 'admin')}"}
    told: dict[int, int] = {}

    number = count()

    def check(case: Any) -> None:
        answer = case.call_and_validate(headers={**key, **fresh_key(case, next(number))})
        told[answer.status_code] = told.get(answer.status_code, 0) + 1

    until_ready(host)
    schema = schemathesis.openapi.from_url(f"{host.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:
        if operation.path not in {ENDLESS, ENDS_THE_HOST, *SLOW}:
            throw(operation, EXAMPLES, check)
    print(f"status codes: {told}")
    assert told.get(200, 0) > 0 and max(told) < 500
    assert host.process is not None and host.process.poll() is None, "the host still runs"
