"""Checks of connected services: weather, brokers, notifications, model, tokens, service unit; short timeouts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.errors import TomatoError
from tomato_host.service.bus.settings import BusSettings
from tomato_host.settings import Settings

TIMEOUT_S = 3.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
UNIT = "tomato-host.service"


def reach(host: str, port: int) -> str | None:
    """None when a connection succeeds, else the reason why not."""
    try:
        socket.create_connection((host, port), TIMEOUT_S).close()
    except OSError as error:
        return str(error.strerror or error)
    return None


def check_weather(settings: Settings) -> Diagnosis:
    """Whether the forecast's provider can be reached; without it the local fallback climate is used."""
    weather = settings.weather
    if weather.provider == "none":
        return Diagnosis("Weather", "ok", "no provider is configured: the local fallback climate is used")
    url = urlsplit(weather.geosphere_url if weather.provider == "geosphere" else weather.open_meteo_url)
    host = url.hostname or ""
    why = reach(host, url.port or (443 if url.scheme == "https" else 80))
    if why is None:
        return Diagnosis("Weather", "ok", f"{weather.provider} at {host} can be reached")
    return Diagnosis(
        "Weather",
        "note",
        f"{host} cannot be reached ({why}); the local fallback climate is used meanwhile",
        "check network and proxy, or set [weather] provider = 'none'",
    )


def check_mqtt(settings: Settings) -> Diagnosis:
    """The broker of Home Assistant, when one is wanted."""
    mqtt = settings.mqtt
    if not mqtt.enabled:
        return Diagnosis("MQTT broker", "ok", "none is configured")
    where, why = f"{mqtt.host}:{mqtt.port}", reach(mqtt.host, mqtt.port)
    if why is not None:
        step = "start it, or correct [mqtt] in the settings"
        return Diagnosis("MQTT broker", "problem", f"no broker at {where} ({why})", step)
    if importlib.util.find_spec("aiomqtt") is None:
        return Diagnosis("MQTT broker", "problem", "aiomqtt is not installed", "pip install '.[mqtt]'")
    from tomato_host.service.mqtt.probe import probe_broker

    trouble = probe_broker(mqtt, TIMEOUT_S)
    if trouble is not None:
        cause, _, step = trouble.rpartition("; ")
        return Diagnosis("MQTT broker", "problem", f"{where}: {cause or trouble}", step or "correct [mqtt]")
    return Diagnosis("MQTT broker", "ok", f"{where}: logged in, subscribed, published, and got it back")


def check_bus(settings: BusSettings) -> Diagnosis:
    """The broker of the bus, when one is named."""
    from tomato_host.service.bus.transport import parse_address
    from tomato_host.service.fleet.read import read_fleet

    if not settings.enabled:
        return Diagnosis("Bus", "ok", "not configured; [bus] enabled = true for many tents")
    address = parse_address(settings.url)
    try:
        nodes = [heard.node for heard in read_fleet(address, os.environ.get(settings.password_from) or None)]
    except TomatoError as error:
        return Diagnosis("Bus", "problem", error.message, error.next_step)
    return Diagnosis("Bus", "ok", f"{address} knows {len(nodes)} nodes: {', '.join(nodes[:5])}")


def check_notifications(settings: Settings, environment: Mapping[str, str] = os.environ) -> Diagnosis:
    """Whether every rule has an address; addresses are not shown."""
    from tomato_host.service.notify.publisher import addresses

    if not settings.notify.enabled:
        return Diagnosis("Notifications", "note", "disabled: alarms are not sent anywhere", "docs/notifications.md")
    try:
        count = sum(len(addresses(rule.urls_from, environment)) for rule in settings.notify.rules)
    except TomatoError as error:
        return Diagnosis("Notifications", "problem", error.message, error.next_step)
    page = urlsplit(settings.notify.link).hostname or ""
    if page and page not in {settings.service.host, *settings.service.hosts, "localhost", "127.0.0.1"}:
        text = f"the dashboard refuses the name in [notify] link, {page}: nothing can be acknowledged"
        return Diagnosis("Notifications", "problem", text, f'[service] hosts = ["{page}"]')
    return Diagnosis(
        "Notifications",
        "ok",
        f"{len(settings.notify.rules)} rules, {count} addresses",
        "tomato-host notify test sends one",
    )


def check_model(settings: Settings) -> Diagnosis:
    """The language model's files; everything else works without one."""
    from tomato_host.advisor.checkup import status

    if not settings.advisor.enabled:
        return Diagnosis("Language model", "ok", "the advisor is switched off")
    facts = status(settings.advisor)
    if facts["backend"] == "none":
        return Diagnosis("Language model", "ok", "none; texts come from templates", "see docs/advisor.md to set one up")
    if not facts["complete"]:
        absent = ", ".join(str(f["path"]) for f in facts["files"] if f["path"] and f["bytes"] is None)
        return Diagnosis("Language model", "problem", f"missing: {absent}", str(facts["advice"] or ""))
    if facts["backend"] == "http":
        url = urlsplit(str(facts["endpoint"]))
        why = reach(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
        if why is not None:
            return Diagnosis("Language model", "problem", f"no server at {url.netloc} ({why})", "start the server")
    return Diagnosis(
        "Language model", "ok", f"{facts['backend']}, in place", "tomato-host llm check sends a test prompt"
    )


def check_tokens(settings: Settings, data_dir: Path) -> Diagnosis:
    """Access to the API: remote reads need a token, and so do all changes."""
    from tomato_host.service.tokens import TokenFile

    service = settings.service
    if not service.enabled:
        return Diagnosis("Dashboard", "ok", "switched off")
    tokens = TokenFile(data_dir).all()
    roles = ", ".join(f"{t.name} ({t.role})" for t in tokens) or "no token"
    where = f"http://{service.host}:{service.port}"
    if service.host not in LOOPBACK and not tokens:
        return Diagnosis(
            "Dashboard",
            "problem",
            f"{where} is open to the network, but there is no token to read it with",
            "tomato-host token create NAME --role view",
        )
    if not tokens:
        return Diagnosis(
            "Dashboard",
            "note",
            f"{where}: anyone on this machine may read, no one may change anything",
            "tomato-host token create NAME --role operate",
        )
    return Diagnosis("Dashboard", "ok", f"{where}: {roles}")


def check_service() -> Diagnosis:
    """Whether systemd starts the host with the machine, and its state."""
    if shutil.which("systemctl") is None:
        return Diagnosis("Service", "note", "no systemd here", "start the host with this system's own service manager")
    asked = subprocess.run(
        ["systemctl", "show", UNIT, "-p", "LoadState", "-p", "ActiveState", "-p", "UnitFileState", "-p", "NRestarts"],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    return judge_service(asked.stdout if asked.returncode == 0 else "")


def judge_service(output: str) -> Diagnosis:
    """The result of `systemctl show` as a diagnosis."""
    facts = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if facts.get("LoadState") != "loaded":
        return Diagnosis(
            "Service",
            "note",
            "not installed: the host does not start with the machine",
            "sudo tomato-host install-service",
        )
    text = f"{facts.get('ActiveState')}, {facts.get('UnitFileState')}, {facts.get('NRestarts', '0')} restarts"
    if facts.get("ActiveState") == "failed":
        return Diagnosis("Service", "problem", text, "journalctl -u tomato-host -n 50")
    if facts.get("UnitFileState") != "enabled" or facts.get("ActiveState") != "active":
        return Diagnosis("Service", "note", text, "sudo systemctl enable --now tomato-host")
    restarts = facts.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts) >= 3:
        return Diagnosis("Service", "note", text, "journalctl -u tomato-host shows why it ended")
    return Diagnosis("Service", "ok", text)
