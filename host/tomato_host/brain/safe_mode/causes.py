"""Why trust can be lost: one row a cause, with its way in, its way back, and what it means for the outputs.

Water that seems not to arrive is no cause: it makes the mode CAUTION and notifies the operator. A pump kept off for a
doubtful probe would kill the plant; the floor is guarded by the leak sensor and by the board's own flow interlock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared_schemas.devices import names_of
from tomato_host.brain.safe_mode.settings import SafeModeSettings
from tomato_host.brain.safe_mode.signals import Signals

Test = Callable[[Signals, SafeModeSettings], bool]
RISKY = names_of(risk="risky")
CARRY_WATER = names_of(carries_water=True)
HEATS = names_of(heats=True)
VENTS = names_of(vents=True)
GASES = names_of(kind="valve")


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason to enter safe mode. `enter` opens it, only `leave` closes it: the gap between is the hysteresis."""

    name: str
    enter: Test
    leave: Test
    sudden: bool
    """True: counts at once. False: must last `hold_s`, for causes that can flicker."""
    needs_operator: bool
    """True: stays until the operator acknowledges it, and only if the cause is gone."""
    switch_off: tuple[str, ...]
    ventilate: bool
    """Ask for the exhaust while it lasts (the board decides)."""
    message: str
    next_step: str


def _cooled(s: Signals, k: SafeModeSettings) -> bool:
    return s.air_temp_c is not None and s.air_temp_c <= k.air_hot_back_c


def _warmed(s: Signals, k: SafeModeSettings) -> bool:
    return s.air_temp_c is not None and s.air_temp_c >= k.air_cold_back_c


def _hot(s: Signals, k: SafeModeSettings) -> bool:
    return s.air_temp_c is not None and s.air_temp_c >= k.air_hot_c


def _cold(s: Signals, k: SafeModeSettings) -> bool:
    return s.air_temp_c is not None and s.air_temp_c <= k.air_cold_c


CAUSES: tuple[Cause, ...] = (
    Cause(
        "leak",
        lambda s, k: s.leak is True,
        lambda s, k: s.leak is False,
        sudden=True,
        needs_operator=True,
        switch_off=RISKY,
        ventilate=False,
        message="The leak sensor is wet.",
        next_step="find and stop the water, dry the sensor, press the board's button",
    ),
    Cause(
        "board_fault",
        lambda s, k: bool(s.board_faults),
        lambda s, k: not s.board_faults,
        sudden=True,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="The board has latched a fault.",
        next_step="remove the cause, then clear the fault by its id",
    ),
    Cause(
        "link_down",
        lambda s, k: s.link_down_s >= k.link_down_s,
        lambda s, k: s.link_down_s == 0.0,
        sudden=True,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="The board does not answer; it runs on its own.",
        next_step="check cable and power",
    ),
    Cause(
        "state_stale",
        lambda s, k: s.state_age_s >= k.state_age_s,
        lambda s, k: s.state_age_s < k.state_age_s / 3.0,
        sudden=True,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="There is no fresh state.",
        next_step="check the sensors and the link",
    ),
    Cause(
        "low_confidence",
        lambda s, k: s.confidence < k.confidence_low,
        lambda s, k: s.confidence >= k.confidence_back,
        sudden=False,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="The readings cannot be trusted.",
        next_step="look which sensors have failed and why",
    ),
    # The plant drinks most when it is hot: the pump stays available.
    Cause(
        "over_temperature",
        _hot,
        _cooled,
        sudden=False,
        needs_operator=False,
        switch_off=(*HEATS, *GASES),
        ventilate=True,
        message="The tent is too hot.",
        next_step="open it, check fan and lamp",
    ),
    Cause(
        "frost_risk",
        _cold,
        _warmed,
        sudden=False,
        needs_operator=False,
        switch_off=(*VENTS, *CARRY_WATER, *GASES),
        ventilate=False,
        message="The tent is too cold.",
        next_step="warm the room, close the tent",
    ),
    Cause(
        "critical_anomaly",
        lambda s, k: bool(s.critical),
        lambda s, k: not s.critical,
        sudden=True,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="A critical anomaly is open.",
        next_step="see `tomato-host explain`",
    ),
    Cause(
        "person",
        lambda s, k: s.operator_wants_safe,
        lambda s, k: not s.operator_wants_safe,
        sudden=True,
        needs_operator=False,
        switch_off=RISKY,
        ventilate=False,
        message="Requested by the operator.",
        next_step="`tomato-host mode normal` when done",
    ),
)
CAUSE_BY_NAME: dict[str, Cause] = {cause.name: cause for cause in CAUSES}
