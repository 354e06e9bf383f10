"""What the safe mode is told: faults of the board that count, and the signals of the moment."""

from __future__ import annotations

from shared_schemas.records import DeviceStatusV1, ObservationV1, Severity
from shared_schemas.records.anomaly_v1 import AnomalyType
from shared_schemas.wire import FAULTS
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.safe_mode import Signals
from tomato_host.brain.step_data import RuntimeContext

HARMLESS = frozenset(fault.name for fault in FAULTS if not fault.blocks)
"""Faults of the board that block no output: for a person to look at, no reason to let the plant dry meanwhile."""


def blocking_faults(devices: DeviceStatusV1 | None) -> tuple[str, ...]:
    """Names of the latched faults that block some output; of a newer board's faults nobody knows, so they count."""
    return () if devices is None else tuple(fault.name for fault in devices.faults if fault.name not in HARMLESS)


def signals_of(
    estimate: Estimate | None, seen: ObservationV1 | None, devices: DeviceStatusV1 | None, runtime: RuntimeContext
) -> Signals:
    """The signals of this moment; before the first observation only what the process knows."""
    if estimate is None or seen is None:
        return Signals(
            now=runtime.now,
            confidence=1.0,
            link_down_s=runtime.link_down_s,
            operator_paused=runtime.operator_paused,
            operator_wants_safe=runtime.operator_wants_safe,
            operator_acknowledges=runtime.operator_acknowledges,
        )
    # An output without effect is for a person to look at; the readings are as good as before.
    trusted = [a for a in estimate.open_anomalies if a.type is not AnomalyType.ACTUATOR_NO_EFFECT]
    wide_open = [a for a in trusted if a.type is not AnomalyType.WATER_NOT_ARRIVING]
    return Signals(
        now=runtime.now,
        confidence=estimate.confidence,
        state_age_s=abs((runtime.now - estimate.ts).total_seconds()),  # ahead is as far from now as behind
        link_down_s=runtime.link_down_s,
        board_faults=blocking_faults(devices),
        leak=seen.leak,
        air_temp_c=seen.air_temp_c,
        water_not_arriving=len(wide_open) < len(trusted),
        critical=tuple(a.type.value for a in wide_open if a.severity is Severity.CRITICAL),
        high=tuple(a.type.value for a in wide_open if a.severity is Severity.HIGH),
        operator_paused=runtime.operator_paused,
        operator_wants_safe=runtime.operator_wants_safe,
        operator_acknowledges=runtime.operator_acknowledges,
    )
