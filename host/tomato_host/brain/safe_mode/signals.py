"""What safe mode looks at: the plain facts of this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Signals:
    """Facts of one moment. Ages and spans in seconds; a fact that is not known is None (or False where harmless)."""

    now: datetime
    confidence: float
    state_age_s: float = 0.0
    link_down_s: float = 0.0
    board_faults: tuple[str, ...] = ()
    leak: bool | None = None
    air_temp_c: float | None = None
    water_not_arriving: bool = False
    critical: tuple[str, ...] = ()
    """Open anomalies of severity CRITICAL, by type."""
    high: tuple[str, ...] = ()
    """Open anomalies of severity HIGH, by type: they make the mode CAUTION, not SAFE."""
    operator_wants_safe: bool = False
    operator_paused: bool = False
    operator_acknowledges: bool = False
    """The operator confirms that the cause has been dealt with."""
