"""The service worker keeps what the pages need and nothing of the API; icons are as drawn; TLS pairs fit."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tomato_host.app import check_addresses
from tomato_host.errors import TomatoError
from tomato_host.service.app_shell import WEB, service_worker, shell_files
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings
from tomato_host.settings import parse_settings

from tools.make_icons import ICONS, icons, read_png

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_that_the_page_asks_for_is_kept(tmp_path: Path) -> None:
    client, files = TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path)), shell_files()
    for name in files:
        assert client.get(name).status_code == 200, name
    texts = [WEB / "index.html", *WEB.glob("*.js")]
    asked = {found for path in texts for found in re.findall(r'"(/static/[\w./-]+)"', path.read_text(encoding="utf-8"))}
    assert asked - set(files) <= {"/static/fleet.js", "/static/fleet.css", "/static/report.js"}
    assert not [name for name in files if name.startswith("/api")]
    answer = client.get("/sw.js")
    assert answer.headers["cache-control"] == "no-cache" and "javascript" in answer.headers["content-type"]
    assert '"/static/app.js"' in answer.text and "/*" not in answer.text.splitlines()[2]


def test_the_worker_changes_with_every_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = service_worker()
    copy = tmp_path / "web"
    subprocess.run(["cp", "-r", str(WEB), str(copy)], check=True)
    monkeypatch.setattr("tomato_host.service.app_shell.WEB", copy)
    assert service_worker() == before
    (copy / "tent.js").write_text((copy / "tent.js").read_text() + "\n// changed\n")
    assert service_worker() != before, "a browser that has the old shell gets the new one"


def test_the_manifest_names_icons_that_are_there() -> None:
    manifest = json.loads((WEB / "manifest.webmanifest").read_text())
    for icon in manifest["icons"]:
        assert (WEB / icon["src"].removeprefix("/static/")).is_file(), icon
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_the_icons_are_those_that_the_script_draws() -> None:
    for name, pixels in icons().items():
        assert np.array_equal(read_png((ICONS / name).read_bytes()), pixels), f"{name}: python tools/make_icons.py"


def test_a_certificate_that_does_not_fit_is_refused_at_the_start(tmp_path: Path) -> None:
    made = tmp_path / "tls"
    script = str(ROOT / "deploy" / "make-certificate.sh")
    for name in ("one", "two"):
        subprocess.run(["sh", script, str(made / name), f"{name}.local"], check=True, capture_output=True)

    def problem(certificate: str, key: str) -> str:
        service = {"port": 8421, "tls_certificate": str(made / certificate), "tls_key": str(made / key) if key else ""}
        try:
            check_addresses(parse_settings({"service": service}), None, {})
        except TomatoError as error:
            assert error.code == "E-CONFIG-INVALID"
            return error.message
        return ""

    assert problem("one/host.crt", "one/host.key") == ""
    assert "mismatch" in problem("one/host.crt", "two/host.key")
    assert "no such file" in problem("one/none.crt", "one/host.key")
    assert "belong together" in problem("one/host.crt", "")
    serial = (made / "one" / "ca.crt").read_bytes()
    subprocess.run(["sh", script, str(made / "one"), "one.local"], check=True, capture_output=True)
    assert (made / "one" / "ca.crt").read_bytes() == serial, "the phones need nothing new"
    assert problem("one/host.crt", "one/host.key") == ""
