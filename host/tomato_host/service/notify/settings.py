"""Settings of notifications; addresses of services come from the environment, never from the file."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tomato_host.addresses import Host, known_host

Kind = Literal[
    "link",
    "board",
    "mode",
    "process",
    "person",
    "weather",
    "model",
    "agent",
    "storage",
    "anomaly",
]
LocalTime = Annotated[str, Field(pattern=r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


def _page_address(url: str) -> str:
    """Raises ValueError, without repeating what may hold a password."""
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be http:// or https://, a host name, and perhaps a port and a path")
    known_host(parts.hostname)
    if parts.port == 0:
        raise ValueError("has a port that cannot be reached")
    return url.rstrip("/")


class RuleSettings(BaseModel):
    """One rule: what from this level on goes where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["INFO", "WARNING", "ALARM"] = "WARNING"
    """From this level on."""
    kinds: tuple[Kind, ...] = ()
    """Of these kinds only; empty: of all."""
    urls_from: VariableName = "TOMATO_NOTIFY_URLS"
    """The environment variable that holds the apprise addresses, separated by blanks."""
    cool_down_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 1_800.0
    """The same condition is sent again only after this long; a higher level at once."""
    repeat_s: Annotated[float, Field(ge=0.0, le=604_800.0)] = 43_200.0
    """An alarm that lasts is sent again after this long; 0: never."""
    recovered: bool = True
    """Send a message also when it is over."""
    photo: bool = False
    """Attach the newest photo."""


class NotifySettings(BaseModel):
    """Section `[notify]`: messages to the grower, by rules (`[[notify.rules]]`), and a heartbeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    """Send notifications."""
    tent: Annotated[str, Field(max_length=40)] = ""
    """Name of this tent in every title; empty: `[bus] node`, the name of this installation."""
    rules: Annotated[tuple[RuleSettings, ...], Field(max_length=20)] = (RuleSettings(),)
    """Which messages go where; each `[[notify.rules]]` is one rule."""
    push: bool = False
    """Send them also to the devices that have subscribed on the dashboard's Set-up page (extra `[push]`)."""
    push_services: Annotated[tuple[Host, ...], Field(max_length=20)] = (
        "fcm.googleapis.com",
        "push.services.mozilla.com",
        "push.apple.com",
        "notify.windows.com",
    )
    """Push services of browsers to which the host may post; a name stands for its subdomains, too."""
    link: Annotated[str, AfterValidator(_page_address)] = ""
    """Address of this dashboard as your phone reaches it, e.g. `https://tomato.local`: messages about what lasts then
    hold a link that acknowledges them once. Its name must stand in `[service] hosts`. Empty: no links."""
    acknowledged_h: Annotated[float, Field(ge=0.5, le=72.0)] = 12.0
    """So long an acknowledged cause is not sent again, unless it becomes worse."""
    quiet_from: LocalTime = ""
    """Begin of the quiet hours, local time, e.g. `22:00`; empty: there are none."""
    quiet_to: LocalTime = ""
    """Their end, e.g. `07:00`. Alarms, and all that harms the plant within a day, are sent all the same."""
    most_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Per rule; alarms pass always, and what was held back is counted in the next message."""
    deadman_url_from: VariableName = "TOMATO_DEADMAN_URL"
    """The environment variable with an address that is fetched while the deciding loop runs; a service there
    raises an alarm when host, network or power are gone."""
    deadman_every_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 300.0
    """Time between two signs of life."""
