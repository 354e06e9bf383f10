"""What the guardrails looks at besides the proposal: the plain facts of this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared_schemas.records.action_v1 import ActionType, ActionV1
from shared_schemas.records.base import Mode
from shared_schemas.records.state_v1 import StateV1
from tomato_host.brain.guardrails.ledger import Ledger
from tomato_host.brain.guardrails.limits import OutputLimit
from tomato_host.brain.guardrails.profiles import Profile
from tomato_host.brain.guardrails.settings import GuardSettings


@dataclass(frozen=True, slots=True)
class GuardContext:
    """Facts of one moment. `leak` and `reservoir_ok` are None where no such sensor is fitted."""

    now: datetime
    state: StateV1 | None
    mode: Mode = "NORMAL"
    link_up: bool = True
    board_state: str = "LEASED"
    faults: tuple[str, ...] = ()
    """Names of the faults that the board holds latched."""
    leak: bool | None = None
    reservoir_ok: bool | None = None
    switched_off: tuple[str, ...] | None = None
    """Outputs that safe mode has switched off; None where not given: in mode SAFE then all risky ones."""
    safe_causes: tuple[str, ...] = ()
    """Causes that hold safe mode."""


@dataclass(slots=True)
class ProposalCase:
    """One proposal under judgement. The rules read it; a clipping rule lowers `milli`."""

    action: ActionV1
    kind: ActionType
    rank: int
    milli: int
    """Amount asked for, then what is left of it after clipping; 0 for OFF."""
    span_s: float
    """The time the action reaches into the future."""
    now_s: float
    context: GuardContext
    limit: OutputLimit
    profile: Profile
    settings: GuardSettings
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A rule that refuses, or clips to `milli`; with the value it saw and the limit it holds."""

    value: float | None
    limit: float | None
    text: str
    milli: int | None = None
    """None: refused. Otherwise the amount that is still allowed."""
    unit: str = ""
    """Of value and limit; empty where they are no quantities."""
    least: bool = False
    """True: the limit is the least that is wanted, not the most."""
    again_s: float | None = None
    """Seconds until the same proposal may pass, as far as this rule goes; None where nobody can know."""
