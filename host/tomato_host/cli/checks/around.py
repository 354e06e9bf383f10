"""What is around the house: weather, brokers, messages, model, tokens, the service. Nothing here is waited for long."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tomato_host.cli.checks.finding import Finding
from tomato_host.errors import TomatoError
from tomato_host.service.bus.settings import BusSettings
from tomato_host.settings import Settings

PATIENCE_S = 3.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
UNIT = "tomato-host.service"


def reach(host: str, port: int) -> str | None:
    """None when somebody takes a connection there, else why not."""
    try:
        socket.create_connection((host, port), PATIENCE_S).close()
    except OSError as error:
        return str(error.strerror or error)
    return None


def check_weather(settings: Settings) -> Finding:
    """Whether the forecast's provider can be reached; without it the house's own climate serves."""
    weather = settings.weather
    if weather.provider == "none":
        return Finding("Weather", "ok", "no provider is wanted: the house's own climate serves")
    url = urlsplit(weather.geosphere_url if weather.provider == "geosphere" else weather.open_meteo_url)
    host = url.hostname or ""
    why = reach(host, url.port or (443 if url.scheme == "https" else 80))
    if why is None:
        return Finding("Weather", "ok", f"{weather.provider} at {host} can be reached")
    return Finding(
        "Weather",
        "note",
        f"{host} cannot be reached ({why}); the house's own climate serves meanwhile",
        "look at network and proxy, or set [weather] provider = 'none'",
    )


def check_mqtt(settings: Settings) -> Finding:
    """The broker of Home Assistant, when one is wanted."""
    mqtt = settings.mqtt
    if not mqtt.enabled:
        return Finding("MQTT broker", "ok", "none is wanted")
    why = reach(mqtt.host, mqtt.port)
    if why is None:
        return Finding("MQTT broker", "ok", f"{mqtt.host}:{mqtt.port} takes connections")
    return Finding(
        "MQTT broker",
        "problem",
        f"nobody at {mqtt.host}:{mqtt.port} ({why})",
        "start it, or correct [mqtt] in the settings",
    )


def check_bus(settings: BusSettings) -> Finding:
    """The broker of the bus, when one is named."""
    from tomato_host.service.bus.address import parse_address
    from tomato_host.service.fleet.read import read_fleet

    if not settings.enabled:
        return Finding("Bus", "ok", "in this machine only; [bus] enabled = true for many tents")
    address = parse_address(settings.url)
    try:
        nodes = [heard.node for heard in read_fleet(address, os.environ.get(settings.password_from) or None)]
    except TomatoError as error:
        return Finding("Bus", "problem", error.message, error.next_step)
    return Finding("Bus", "ok", f"{address} knows {len(nodes)} nodes: {', '.join(nodes[:5])}")


def check_messages(settings: Settings, environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether every rule has somewhere to go; addresses are not shown."""
    from tomato_host.service.notify.publisher import addresses

    if not settings.notify.enabled:
        return Finding("Notifications", "note", "off: an alarm rings nowhere", "docs/notifications.md")
    try:
        count = sum(len(addresses(rule.urls_from, environment)) for rule in settings.notify.rules)
    except TomatoError as error:
        return Finding("Notifications", "problem", error.message, error.next_step)
    return Finding(
        "Notifications",
        "ok",
        f"{len(settings.notify.rules)} rules, {count} addresses",
        "tomato-host notify test sends one",
    )


def check_model(settings: Settings) -> Finding:
    """The language model's files; everything else works without one."""
    from tomato_host.advisor.checkup import status

    if not settings.agent.enabled:
        return Finding("Language model", "ok", "the advisor is switched off")
    told = status(settings.agent)
    if told["backend"] == "none":
        return Finding("Language model", "ok", "none; templates speak in its place", "docs/agent.md tells of one")
    if not told["complete"]:
        absent = ", ".join(str(f["path"]) for f in told["files"] if f["path"] and f["bytes"] is None)
        return Finding("Language model", "problem", f"not there: {absent}", str(told["advice"] or ""))
    if told["backend"] == "http":
        url = urlsplit(str(told["endpoint"]))
        why = reach(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
        if why is not None:
            return Finding("Language model", "problem", f"nobody at {url.netloc} ({why})", "start the server")
    return Finding("Language model", "ok", f"{told['backend']}, in place", "tomato-host llm check asks it something")


def check_tokens(settings: Settings, data_dir: Path) -> Finding:
    """Who may come in: beyond this machine nobody without a token, and nobody changes anything without one."""
    from tomato_host.service.tokens import TokenFile

    service = settings.service
    if not service.enabled:
        return Finding("Dashboard", "ok", "switched off")
    tokens = TokenFile(data_dir).all()
    roles = ", ".join(f"{t.name} ({t.role})" for t in tokens) or "no token"
    where = f"http://{service.host}:{service.port}"
    if service.host not in LOOPBACK and not tokens:
        return Finding(
            "Dashboard",
            "problem",
            f"{where} is open to the network, but nobody has a token to read it",
            "tomato-host token create NAME --role view",
        )
    if not tokens:
        return Finding(
            "Dashboard",
            "note",
            f"{where}: everybody here may read, nobody may change anything",
            "tomato-host token create NAME --role operate",
        )
    return Finding("Dashboard", "ok", f"{where}: {roles}")


def check_service() -> Finding:
    """Whether systemd starts the host with the machine, and how it fares."""
    if shutil.which("systemctl") is None:
        return Finding("Service", "note", "no systemd here", "start the host by whatever starts things here")
    asked = subprocess.run(
        ["systemctl", "show", UNIT, "-p", "LoadState", "-p", "ActiveState", "-p", "UnitFileState", "-p", "NRestarts"],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    return judge_service(asked.stdout if asked.returncode == 0 else "")


def judge_service(told: str) -> Finding:
    """What `systemctl show` says of the unit, as a verdict."""
    facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    if facts.get("LoadState") != "loaded":
        return Finding(
            "Service",
            "note",
            "not installed: the host does not start with the machine",
            "sudo tomato-host install-service",
        )
    text = f"{facts.get('ActiveState')}, {facts.get('UnitFileState')}, {facts.get('NRestarts', '0')} restarts"
    if facts.get("ActiveState") == "failed":
        return Finding("Service", "problem", text, "journalctl -u tomato-host -n 50")
    if facts.get("UnitFileState") != "enabled" or facts.get("ActiveState") != "active":
        return Finding("Service", "note", text, "sudo systemctl enable --now tomato-host")
    restarts = facts.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts) >= 3:
        return Finding("Service", "note", text, "journalctl -u tomato-host tells why it ended")
    return Finding("Service", "ok", text)
