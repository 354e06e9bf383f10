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


@pytest.mark.soak
def test_the_wheel_works_in_a_fresh_environment(tmp_path: Path) -> None:
    """Its dependencies come from this environment, by path: the network is not asked."""
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=200)
    (wheel,) = tmp_path.glob("tomato_host-*.whl")
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
