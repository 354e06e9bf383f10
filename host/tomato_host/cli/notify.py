"""`tomato-host notify`: send a test notification."""

from __future__ import annotations

import json
import os
from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Notifications: send a test message.")


@app.callback()
def _root() -> None:
    """Notifications."""


@app.command()
def test(
    config: Path | None = typer.Option(None, "--config", help="TOML settings file."),
    data_dir: Path = typer.Option(Path("data"), "--data-dir", help="Data directory, for the photo."),
    as_json: bool = typer.Option(False, "--json", help="For scripts."),
) -> None:
    """Send one message to every address of every rule, now, and report which accepted it."""
    from dataclasses import replace

    from tomato_host.errors import TomatoError
    from tomato_host.service.notify.deadman import fetch
    from tomato_host.service.notify.extension import NO_CONTACT
    from tomato_host.service.notify.filter import Notification
    from tomato_host.service.notify.publisher import addresses, apprise_sender, scheme
    from tomato_host.service.notify.push_store import PushStore
    from tomato_host.service.notify.web_push import push_sender
    from tomato_host.settings import load_settings
    from tomato_host.settings_file import default_file
    from tomato_host.terminal.progress import progress

    settings = load_settings(config or default_file(data_dir)).notify
    results: list[dict[str, object]] = []
    message = Notification("INFO", "Tomato test", "This is how a message arrives.")
    if settings.push or PushStore(data_dir).all():
        sender, devices = push_sender(data_dir, settings.link or NO_CONTACT), len(PushStore(data_dir).all())
        results += [{"service": f"web push to {devices} devices", "ok": sender(message)}] if devices else []
    rules = [rule for rule in settings.rules if os.environ.get(rule.urls_from, "").strip() or not results]
    for url in dict.fromkeys(u for rule in rules for u in addresses(rule.urls_from, os.environ)):
        photo = any(rule.photo for rule in settings.rules)
        with progress(f"sending by {scheme(url)}", as_json):
            sent = apprise_sender(url, data_dir)(replace(message, photo=photo))
        results.append({"service": scheme(url), "ok": sent})
    if deadman := os.environ.get(settings.deadman_url_from, "").strip():
        results.append({"service": "sign of life", "ok": fetch(deadman)})
    for result in results:
        typer.echo(json.dumps(result) if as_json else f"{result['service']}: {'sent' if result['ok'] else 'FAILED'}")
    if not settings.enabled:
        off = "Notifications are off in these settings: set `[notify] enabled = true`, or the host sends none."
        typer.echo(off, err=True)
    failed = [str(result["service"]) for result in results if not result["ok"]]
    if failed:
        raise TomatoError(
            "E-NOTIFY-FAILED",
            f"Not taken by: {', '.join(failed)}.",
            "check the address, the password in it, and the network",
        )
