"""Settings of notifications; addresses of services come from the environment, never from the file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


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
    most_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Per rule; alarms pass always, and what was held back is counted in the next message."""
    deadman_url_from: VariableName = "TOMATO_DEADMAN_URL"
    """The environment variable with an address that is fetched while the deciding loop runs; a service there
    raises an alarm when host, network or power are gone."""
    deadman_every_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 300.0
    """Time between two signs of life."""
