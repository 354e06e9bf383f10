"""One intent on its way through admission, whatever world it is for: the plain facts that the stages read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_schemas.records.agent_v1 import AgentV1

NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class AdmissionCase:
    """Times are seconds of the world's clock (epoch seconds for a tent, simulated ones for an engine)."""

    agent: AgentV1
    id: str
    kind: str
    fingerprint: str
    """Of kind and parameters: the same id with another one is another intent."""
    body: object
    """The intent itself, for the validator: an `ActionV1`, or an `Intent`."""
    arrived_s: float
    sim_time_s: float
    priority: int = 0
    """The higher goes first among intents of the same moment; for a tent the rank of the origin."""
    reads: tuple[str, ...] = ()
    """Pointers of what the intent rests on; a change of anything else does not make it stale."""
    context_seq: int | None = None
    deadline_s: float | None = None
    not_after_s: float | None = None
    stops: bool = False
    """Switches something off: free of counts, never stale and never shed."""
    exempt: bool = False
    """Safe mode, the board's button and the owner: exempt from quota and shedding."""
    amounts: Mapping[str, float] = field(default_factory=dict)
    """By name of a daily quota, what the intent would use."""

    @property
    def source(self) -> str:
        """Who asks: decides, after time and priority, the order of a quantum."""
        return self.agent.name

    @property
    def order(self) -> tuple[float, int, str, str]:
        """Sort key inside a quantum: simulated time, priority (higher first), source, id. Total and replayable."""
        return (self.sim_time_s, -self.priority, self.agent.name, self.id)
