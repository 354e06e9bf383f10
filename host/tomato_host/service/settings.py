"""Settings of the dashboard and its interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_schemas.devices import OUTPUTS
from tomato_host.addresses import Host, ListeningHost

if TYPE_CHECKING:
    OutputName = str
else:
    OutputName = Literal[tuple(row.name for row in OUTPUTS)]
"""Names of the outputs."""
PORT_TAKEN = 3
"""Exit code of the dashboard's process when it cannot listen."""


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
    quarantine_after: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Violations of one agent within ten minutes after which it is quarantined; 0: never."""
