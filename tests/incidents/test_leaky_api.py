"""A leaky API: it listens on this machine only, tells no secret to anybody, and changes nothing without a token."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.incidents.running_host import RunningHost, running_host


def answer(here: RunningHost, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers, whatever they are."""
    data = b"{}" if method == "POST" else None
    request = Request(f"http://127.0.0.1:{here.port}{path}", data, headers, method=method)
    try:
        with urlopen(request, timeout=10) as found:
            return found.status, found.read().decode(), dict(found.headers)
    except HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def own_address() -> str | None:
    """An address of this machine that is not the loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if found.startswith("127.") else found


def test_from_outside(tmp_path: Path) -> None:
    password = "geheim-4711"
    with running_host(tmp_path, environment={"TOMATO_MQTT_PASSWORD": password}) as (here, tent):
        secret = here.token("admin")
        schema = json.loads(answer(here, "/openapi.json")[1])
        before = tent()["outputs"]
        for path, methods in schema["paths"].items():
            for method in methods:
                if path == "/api/stream":
                    continue
                code, body, headers = answer(here, path, method.upper())
                if method != "get":
                    assert code in (401, 403), (method, path, code)
                assert secret not in body and password not in body and str(tmp_path) not in body, path
                assert "Access-Control-Allow-Origin" not in headers
                assert headers.get("X-Content-Type-Options", headers.get("x-content-type-options")) == "nosniff", path
                assert "server" not in {name.lower() for name in headers}
        for path in ("/tokens.json", "/static/../tokens.json", "/static/%2e%2e/serve.py", "/private/", "/docs"):
            assert answer(here, path)[0] in (404, 405), path
        assert answer(here, "/api/glance", Host="evil.example")[0] == 421, "DNS rebinding"
        assert answer(here, "/api/water", "POST", Authorization=f"Bearer {secret[:-1]}x")[0] == 401
        assert answer(here, "/api/water", "POST", Cookie=f"token={secret}")[0] == 401, "no cookie, so no forged form"
        assert answer(here, f"/api/water?token={secret}", "POST")[0] == 401, "no token in an address"
        assert (
            tent()["outputs"] == before
            or not here.kept("actions")
            or all(a["origin"] != "api" for a in here.kept("actions"))
        )

        outside = own_address()
        if outside is not None:
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((outside, here.port)) != 0, "only this machine is served by default"
        tokens = here.data / "tokens.json"
        assert stat.S_IMODE(tokens.stat().st_mode) == 0o600 and secret not in tokens.read_text()
        here.stop()
        everything = [here.said, *(p for p in here.data.rglob("*") if p.is_file())]
        for path in everything:
            raw = path.read_bytes()
            assert secret.encode() not in raw and password.encode() not in raw, path
