"""The container files: hardened, pinned, whole; their settings load, and the page says what they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tomato_host.features import Features
from tomato_host.settings import load_settings

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRETS = ("TOMATO_MQTT_PASSWORD", "TOMATO_BUS_PASSWORD", "GRAFANA_PASSWORD", "ELASTIC_PASSWORD")


def test_the_services_are_those_of_the_design() -> None:
    assert set(SERVICES) == {"host", "mosquitto", "redis", "prometheus", "grafana", "elasticsearch"}
    assert {name for name, one in SERVICES.items() if "profiles" in one} == {"elasticsearch"}
    assert SERVICES["elasticsearch"]["profiles"] == ["learn"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_service_is_hardened_pinned_and_watched(name: str) -> None:
    one = SERVICES[name]
    assert one["cap_drop"] == ["ALL"] and one["security_opt"] == ["no-new-privileges:true"]
    assert one["read_only"] is (name != "elasticsearch"), "its image writes into its own root"
    assert int(one["user"].split(":")[0]) > 0, "never root"
    pinned = re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", one["image"])
    assert pinned or ("build" in one and one["image"] == "tomato-host:local"), "a pinned version, or built from here"
    assert {"test", "interval", "timeout", "retries"} <= set(one["healthcheck"])
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), "nothing is open to the network"
    assert one["logging"]["options"]["max-size"] and "privileged" not in one


def test_the_image_is_pinned_rootless_and_watched() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases and all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert "--constraint constraints.txt" in DOCKERFILE and "HEALTHCHECK" in DOCKERFILE and "/healthz" in DOCKERFILE
    last_user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert last_user == SERVICES["host"]["user"] == "10001:10001"
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert copied == sent and all((ROOT / name).exists() for name in copied)


def test_every_package_of_the_image_is_pinned() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (DEPLOY / "constraints.txt").read_text(), re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    base = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert base is not None
    for name in re.findall(r'^\s*"([\w.-]+)', base[1], re.MULTILINE):
        assert re.sub(r"[-_.]+", "-", name).lower() in pinned, name


def test_no_secret_stands_in_a_file() -> None:
    given = [
        str(value)
        for one in SERVICES.values()
        for key, value in one.get("environment", {}).items()
        if "PASSWORD" in key
    ]
    assert len(given) >= 5 and all(re.fullmatch(r"\$\{\w+(:\?.+|:-)\}", value) for value in given), given
    example = (DEPLOY / "compose" / "env.example").read_text()
    assert all(re.search(rf"^{name}=$", example, re.MULTILINE) for name in SECRETS)
    text = (DEPLOY / "compose" / "host.toml").read_text() + DOCKERFILE
    assert not re.search(r"password\s*[:=]\s*[\"']?\w", text, re.IGNORECASE)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive of the sources has no git")
@pytest.mark.parametrize("path", ["deploy/.env", "deploy/compose/secrets/prometheus.token"])
def test_what_is_secret_is_never_committed(path: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0


def test_what_is_mounted_is_there_and_the_settings_load() -> None:
    for one in SERVICES.values():
        for volume in one.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
            if source.startswith(".") and "secrets" not in source:
                assert (DEPLOY / source).exists(), source
            elif not source.startswith("."):
                assert source in COMPOSE["volumes"], source
    settings = load_settings(DEPLOY / "compose" / "host.toml")
    assert settings.mqtt.host in SERVICES and settings.bus.url.split("//")[1].split(":")[0] in SERVICES
    scraped = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"][0]
    host, port = scraped["static_configs"][0]["targets"][0].split(":")
    assert scraped["job_name"] == "tomato", "the alerts expect this name"
    assert host in SERVICES and host in settings.service.hosts and int(port) == settings.service.port


def test_the_page_lists_every_port_volume_credential_and_feature() -> None:
    for name, one in SERVICES.items():
        for port in one.get("ports", ()):
            assert re.search(rf"^\| {port.split(':')[1]} \| {name} \|", PAGE, re.MULTILINE), port
    assert all(re.search(rf"^\| {name} \|", PAGE, re.MULTILINE) for name in COMPOSE["volumes"])
    assert all(f"| `{name}` |" in PAGE for name in SECRETS)
    assert all(f"`{name}`" in PAGE for name in Features().flags())


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="Debian's docker-compose is not here")
def test_compose_reads_its_files() -> None:
    environment = {**os.environ, **dict.fromkeys(SECRETS, "x"), "TOMATO_BOARD": "/dev/ttyACM0"}
    done = subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "-f", "compose.board.yaml", "--profile", "learn", "config"],
        cwd=DEPLOY, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    host = yaml.safe_load(done.stdout)["services"]["host"]
    assert host["devices"] == ["/dev/ttyACM0:/dev/ttyACM0"] and host["command"][2] == "/dev/ttyACM0"
    del environment["TOMATO_BUS_PASSWORD"]
    missing = subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "config"], cwd=DEPLOY, env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert missing.returncode != 0 and "deploy/.env" in missing.stderr, "an empty password is no default"
