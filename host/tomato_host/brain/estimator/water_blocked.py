"""The reminder that a latched fault stops water: again and again, louder while the soil dries.

The board waters nothing while a fault that blocks its pump is latched, and such a latch waits for a person. One alarm
in the night is easily missed, and a plant that runs without a person then dries. So the anomaly WATER_BLOCKED is
written again with the same id, the rarer the wetter the soil, and becomes CRITICAL before the plant suffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared_schemas.devices import PUMP
from shared_schemas.records import AnomalyType, AnomalyV1, DeviceStatusV1, Severity
from shared_schemas.wire import FAULTS
from tomato_host.brain.estimator.anomaly_thresholds import CONSEQUENCES

DRIES_PCT: Final = 28.0
"""Below this in the driest trusted probe the plant will be short of water within a day."""
DRY_PCT: Final = 22.0
LONG_H: Final = (12.0, 36.0)
"""Without a trusted probe the hours since the latch stand in its place."""
AGAIN_S: Final = (21_600.0, 7_200.0, 3_600.0)
"""How often it is written again, by step: wet, drying, dry."""
SEVERITIES: Final = (Severity.HIGH, Severity.HIGH, Severity.CRITICAL)
_STOPS_WATER: Final = frozenset(fault.name for fault in FAULTS if {PUMP.name, "*"} & set(fault.blocks))
_KNOWN: Final = frozenset(fault.name for fault in FAULTS)


class WaterReminder:
    """Call `update` with every sample; it returns what is to be written now."""

    def __init__(self) -> None:
        self.opened: AnomalyV1 | None = None
        """The anomaly as it was last written; None while water is possible."""
        self._since_s = 0.0
        self._told_s = 0.0
        self._step = 0

    def update(
        self, t_s: float, ts: datetime, devices: DeviceStatusV1, trusted_pct: Sequence[float]
    ) -> list[AnomalyV1]:
        """`trusted_pct`: moisture of the probes that are trusted now."""
        # A newer board's fault that nobody here knows: it may stop water as well.
        names = tuple(f.name for f in devices.faults if f.name in _STOPS_WATER or f.name not in _KNOWN)
        if not names:
            return self._end(ts, devices)
        if self.opened is None:
            self._since_s = t_s
            self._step = -1
        driest = min(trusted_pct, default=None)
        step = max(self._step, _step(driest, (t_s - self._since_s) / 3_600.0))
        if step == self._step and t_s - self._told_s < AGAIN_S[step]:
            return []
        self._step, self._told_s = step, t_s
        self.opened = self._anomaly(t_s, ts, names, driest)
        return [self.opened]

    def _anomaly(self, t_s: float, ts: datetime, names: tuple[str, ...], driest: float | None) -> AnomalyV1:
        hours = (t_s - self._since_s) / 3_600.0
        signals: dict[str, float | bool | str] = {"faults": ", ".join(names), "hours": round(hours, 2)}
        if driest is not None:
            signals["driest_probe_pct"] = round(driest, 2)
        since = "has just latched" if hours < 1.0 else f"stands for {hours:.0f} h"
        soil = "no trusted probe" if driest is None else f"driest probe at {driest:.0f} %"
        return AnomalyV1(
            schema_version="anomaly_v1",
            ts=ts,
            severity=SEVERITIES[self._step],
            type=AnomalyType.WATER_BLOCKED,
            signals=signals,
            expected_effects=CONSEQUENCES[AnomalyType.WATER_BLOCKED].expected_effects,
            required_response=CONSEQUENCES[AnomalyType.WATER_BLOCKED].required_response,
            phase="OPENED",
            id=f"WATER_BLOCKED.{int(self._since_s)}",
            detail=f"Without a person the plants get no water: {', '.join(names)} {since}, {soil}."
            " Find the cause, clear the fault by its name, or water by hand.",
        )

    def _end(self, ts: datetime, devices: DeviceStatusV1) -> list[AnomalyV1]:
        # A board that is away shows no faults; that is no proof that they are cleared.
        if self.opened is None or not devices.mcu_connected:
            return []
        opened, self.opened = self.opened, None
        return [
            AnomalyV1(
                schema_version="anomaly_v1",
                ts=ts,
                severity=opened.severity,
                type=opened.type,
                signals={"faults": ""},
                phase="CLEARED",
                id=opened.id,
            )
        ]


def _step(driest: float | None, hours: float) -> int:
    """0 wet, 1 drying, 2 dry."""
    if driest is None:
        return sum(hours >= limit for limit in LONG_H)
    return (driest < DRIES_PCT) + (driest < DRY_PCT)
