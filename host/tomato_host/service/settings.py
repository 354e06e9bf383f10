"""Settings of the dashboard and its interface, and of what it calls things."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from shared_schemas.devices import OUTPUTS
from tomato_host.addresses import Host, ListeningHost

if TYPE_CHECKING:
    OutputName = str
else:
    OutputName = Literal[tuple(row.name for row in OUTPUTS)]
"""Names of the outputs."""
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "testserver"})
"""Names of this machine, under which a browser always reaches the dashboard."""
PORT_TAKEN = 3
"""Exit code of the dashboard's process when it cannot listen."""


class PlantSettings(BaseModel):
    """One plant: `[[tent.plants]]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=40)]
    """What you call it; the dashboard shows it beside its probe."""
    variety: Annotated[str, Field(max_length=60)] = ""
    """Variety, e.g. `Sungold`."""
    pot_l: Annotated[FiniteFloat, Field(ge=0.5, le=50.0)] = 5.0
    """Litres of substrate in its pot."""
    probe: Annotated[int, Field(ge=0, le=2)] = 0
    """Its soil probe, 1 or 2; 0: none."""


class TentSettings(BaseModel):
    """Section `[tent]`: what stands in the tent and what it is called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=40)] = ""
    """Name on the dashboard; empty: `Tomato`."""
    width_cm: Annotated[int, Field(ge=30, le=600)] = 80
    """Inside width."""
    depth_cm: Annotated[int, Field(ge=30, le=600)] = 80
    """Inside depth."""
    height_cm: Annotated[int, Field(ge=60, le=400)] = 160
    """Inside height."""
    plants: Annotated[tuple[PlantSettings, ...], Field(max_length=4)] = ()
    """The plants. Where any is given, `[control] soil_ml_per_pct` follows from their pots unless it is given, too."""


class ServiceSettings(BaseModel):
    """Section `[service]`: the web dashboard, the API and the metrics, in a process of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    """Run the dashboard, the API and the metrics."""
    host: ListeningHost = "127.0.0.1"
    """With any other address than this machine's own, reading needs a token, too."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8_421
    """0 takes any free port (the log names it)."""
    hosts: tuple[Host, ...] = ()
    """Further names under which browsers may reach it, e.g. `tomato.local`; others are refused (DNS rebinding)."""
    tls_certificate: str = ""
    """File with the certificate, and those above it, for HTTPS (docs/https.md); empty: plain HTTP."""
    tls_key: str = ""
    """File with its private key, without a password."""
    reads_per_minute: Annotated[int, Field(ge=10, le=100_000)] = 1_200
    """Requests of one client that only read, in a minute."""
    writes_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 30
    """Requests of one client that ask for something, in a minute."""
    agent_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] = 1_200
    """Requests and messages of one agent of the shared world in a minute."""
    tent_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] = 12_000
    """Requests and messages of all agents of one tent in a minute."""
    power_w: dict[OutputName, Annotated[float, Field(gt=0.0, le=3_000.0)]] = {}
    """Measured power by output, W, e.g. `{ light = 96.0 }`; of one that is not named a typical power counts."""
    rated_strokes: dict[OutputName, Annotated[int, Field(ge=1_000, le=1_000_000_000)]] = {}
    """Rated life by output, strokes, e.g. `{ exhaust_fan = 1000000 }`; of a relay not named, 100,000 count."""
    quarantine_after: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Violations of one agent within ten minutes after which it is quarantined; 0: never."""

    @property
    def url(self) -> str:
        """The dashboard's address on this machine."""
        return f"{'https' if self.tls_certificate else 'http'}://{self.host}:{self.port}"


def served_names(settings: ServiceSettings) -> frozenset[str]:
    """Every name under which the dashboard answers, in lower case as browsers send it."""
    return LOCAL_NAMES | {name.lower() for name in (settings.host, *settings.hosts)}


def tls_contradictions(settings: ServiceSettings) -> Iterator[str]:
    """Half a pair of certificate and key, which the loader refuses before any file is read."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        yield (
            "[service] tls_certificate and [service] tls_key contradict each other: "
            "they belong together, give both, or none"
        )


def why_no_tls(settings: ServiceSettings) -> str:
    """Why HTTPS cannot be served with these files; empty when it can, or is not wanted."""
    if not settings.tls_certificate and not settings.tls_key:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return f"[service] tls_certificate and tls_key cannot be used together: {str(reason).lower()}"
    return ""
