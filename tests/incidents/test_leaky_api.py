"""A leaky API: it listens on this machine only, tells no secret to anybody, and changes nothing without a token."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.incidents.running_host import RunningHost, running_host


def answer(host: RunningHost, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers, whatever they are."""
    data = b"{}" if method == "POST" else None
    request = Request(f"http://127.0.0.1:{host.port}{path}", data, headers, method=method)
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
    with running_host(tmp_path, environment={"TOMATO_MQTT_PASSWORD": password}) as (host, tent):
        secret = host.token("admin")
        schema = json.loads(answer(host, "/openapi.json")[1])
        before = tent()["outputs"]
        for path, methods in schema["paths"].items():
            for method in methods:
                if path == "/api/stream":
                    continue
                code, body, headers = answer(host, path, method.upper())
                if method != "get":
                    assert code in (401, 403), (method, path, code)
                assert secret not in body and password not in body and str(tmp_path) not in body, path
                assert "Access-Control-Allow-Origin" not in headers
                assert headers.get("X-Content-Type-Options", headers.get("x-content-type-options")) == "nosniff", path
                assert "server" not in {name.lower() for name in headers}
        for path in ("/tokens.json", "/static/../tokens.json", "/static/%2e%2e/serve.py", "/private/", "/docs"):
            assert answer(host, path)[0] in (404, 405), path
        assert answer(host, "/api/glance", Host="evil.example")[0] == 421, "DNS rebinding"
        assert answer(host, "/api/water", "POST", Authorization=f"Bearer {secret[:-1]}x")[0] == 401
        assert answer(host, "/api/water", "POST", Cookie=f"token={secret}")[0] == 401, "no cookie, so no forged form"
        assert answer(host, f"/api/water?token={secret}", "POST")[0] == 401, "no token in an address"
        assert (
            tent()["outputs"] == before
            or not host.records("actions")
            or all(a["origin"] != "api" for a in host.records("actions"))
        )

        outside = own_address()
        if outside is not None:
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((outside, host.port)) != 0, "only this machine is served by default"
        tokens = host.data / "tokens.json"
        assert stat.S_IMODE(tokens.stat().st_mode) == 0o600 and secret not in tokens.read_text()
        host.stop()
        everything = [host.log_path, *(p for p in host.data.rglob("*") if p.is_file())]
        for path in everything:
            raw = path.read_bytes()
            assert secret.encode() not in raw and password.encode() not in raw, path
