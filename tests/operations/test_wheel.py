"""The release file: built, installed into a fresh environment without the network, and used there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
NEEDED = (
    "tomato_host/service/web/index.html",
    "tomato_host/service/web/sw.js",
    "tomato_host/service/web/manifest.webmanifest",
    "tomato_host/service/web/icons/icon-192.png",
    "tomato_host/service/web/messages/de.json",
    "tomato_host/_firmware/boot.py",
    "tomato_host/_firmware/tomato/boards/pico.py",
)

NO_INDEX = ("NewConnectionError", "ConnectTimeout", "NameResolutionError", "Max retries exceeded", "ProxyError")


def built(place: Path) -> Path:
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(place), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=200)
    (wheel,) = place.glob("tomato_host-*.whl")
    return wheel


@pytest.mark.soak
def test_the_wheel_works_in_a_fresh_environment(tmp_path: Path) -> None:
    """Its dependencies come from this environment, by path: the network is not asked."""
    wheel = built(tmp_path)
    assert set(NEEDED) <= set(zipfile.ZipFile(wheel).namelist())
    venv.create(tmp_path / "venv", with_pip=False)
    places = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    install = [*PIP, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=200)
    dependencies = [entry for entry in sys.path if entry.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(dependencies))

    def run(*words: str) -> str:
        python = str(tmp_path / "venv" / "bin" / "python")
        done = subprocess.run(
            [python, "-m", "tomato_host", *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True
        )
        return done.stdout

    where = "import tomato_host; print(tomato_host.__file__)"
    found = subprocess.run([str(tmp_path / "venv" / "bin" / "python"), "-c", where], cwd=tmp_path, capture_output=True)
    assert str(tmp_path) in found.stdout.decode(), "the installed files, not the checkout's"
    assert run("--version").startswith("tomato-host ")
    run("settings", "set", "control.stage=fruiting", "--data-dir", "data")
    assert "valid" in run("settings", "check", "--data-dir", "data")


@pytest.mark.soak
def test_the_release_file_brings_what_it_needs(tmp_path: Path) -> None:
    """As docs/install.md says it: a fresh venv, the file, the versions of the tests; nothing of this environment."""
    wheel = built(tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), *PIP[1:], "install", "--constraint", str(ROOT / "deploy" / "constraints.txt"), str(wheel)]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0 and any(word in done.stderr for word in NO_INDEX):
        pytest.skip("no package index answers here")
    assert done.returncode == 0, done.stderr[-2_000:]
    check = subprocess.run([str(python), *PIP[1:], "check"], capture_output=True, text=True, timeout=100, check=False)
    assert check.returncode == 0, check.stdout
    command = str(tmp_path / "venv" / "bin" / "tomato-host")
    for words in (["--version"], ["settings", "set", "control.stage=fruiting", "--data-dir", "data"], ["status"]):
        ran = subprocess.run([command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert "Traceback" not in ran.stderr and (ran.returncode == 0 or "E-" in ran.stderr), ran.stderr[-2_000:]
    size_mb = sum(one.stat().st_size for one in (tmp_path / "venv").rglob("*") if one.is_file()) / 1e6
    assert size_mb < 160.0, "120 MB of the base, and pip"
