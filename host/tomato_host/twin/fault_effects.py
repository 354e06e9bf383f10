"""What each fault does to the simulated tent: its surroundings, its parts, its line, its power.

The names and what they mean to a person are in `sources/scenarios.py`; a test holds the two tables together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tomato_host.twin.line_and_power import PowerFaults, SerialLinkFaults
from tomato_host.twin.outside import Surroundings
from tomato_host.twin.physics import TentPhysics
from tomato_host.twin.sensors import SimulatedSensors, chip_bits

JUMP_PCT = 22.0
UNEVEN_SHARE = 0.1
"""Of the water, that pot 1 gets more."""


class Breakable(Protocol):
    """What a fault may touch; `twin.world.World` is one."""

    tent: TentPhysics
    surroundings: Surroundings
    sensors: SimulatedSensors
    serial_link: SerialLinkFaults
    power: PowerFaults
    leaking: bool
    probe_drift_pct_h: float
    now_ms: int


Effect = Callable[[Breakable, float], None]
"""Sets a fault to a strength of 0..1; the same strength, negative, takes it back."""


def _heatwave(world: Breakable, strength: float) -> None:
    world.surroundings.warmer_k += 9.0 * strength


def _cold_spell(world: Breakable, strength: float) -> None:
    world.surroundings.warmer_k -= 9.0 * strength


def _dry_inflow(world: Breakable, strength: float) -> None:
    world.surroundings.vapour_factor *= 1.0 - 0.65 * strength if strength > 0.0 else 1.0 / (1.0 + 0.65 * strength)


def _wind_spike(world: Breakable, strength: float) -> None:
    world.surroundings.wind_factor *= 1.0 + 9.0 * strength if strength > 0.0 else 1.0 / (1.0 - 9.0 * strength)


def _sensor_dropout(world: Breakable, strength: float) -> None:
    bits = chip_bits("sht4x")
    world.sensors.faults.absent = (
        world.sensors.faults.absent | bits if strength > 0.0 else (world.sensors.faults.absent & ~bits)
    )


def _pump_clog(world: Breakable, strength: float) -> None:
    world.tent.pump_factor = 1.0 - 0.98 * strength if strength > 0.0 else 1.0


def _valve_stuck(world: Breakable, strength: float) -> None:
    world.tent.drip_ml_s = max(0.0, 4.0 * strength)


def _leak(world: Breakable, strength: float) -> None:
    world.leaking = strength > 0.0
    world.tent.spill_factor = max(0.0, 0.5 * strength)
    if strength < 0.0:
        world.tent.truth().floor_ml = 0.0  # a person found and mopped it


def _uneven_drippers(world: Breakable, strength: float) -> None:
    tent = world.tent
    # Who turns a dripper does not set it back to what it was before: each pot gets what it uses.
    tent.drip_share_1 = tent.drip_share_1 + UNEVEN_SHARE * strength if strength > 0.0 else tent.params.root_share_1


def _probe_drift(world: Breakable, strength: float) -> None:
    world.probe_drift_pct_h = 2.0 * strength if strength > 0.0 else 0.0
    if strength < 0.0:
        world.sensors.faults.probe_drift_pct[0] = 0.0


def _link_noise(world: Breakable, strength: float) -> None:
    world.serial_link.noise = max(0.0, 0.1 * strength)


def _link_cut(world: Breakable, strength: float) -> None:
    world.serial_link.cut = strength > 0.0


def _host_kill(world: Breakable, strength: float) -> None:
    world.serial_link.host_dead = strength > 0.0


def _board_reset(world: Breakable, strength: float) -> None:
    world.power.reset_on_pump = strength > 0.0


def _brownout(world: Breakable, strength: float) -> None:
    if strength > 0.0:
        world.power.brownout = True


def _reservoir_empty(world: Breakable, strength: float) -> None:
    world.tent.truth().reservoir_ml = 200.0 if strength > 0.0 else world.tent.params.reservoir_ml


def _probe_disconnect(world: Breakable, strength: float) -> None:
    world.sensors.faults.probe_unplugged[0] = strength > 0.0


def _probe_stuck(world: Breakable, strength: float) -> None:
    shown = world.sensors.probe_count(0, world.tent.truth(), world.now_ms) if strength > 0.0 else None
    world.sensors.faults.probe_stuck_raw[0] = shown


def _probe_jump(world: Breakable, strength: float) -> None:
    world.sensors.faults.probe_drift_pct[0] += JUMP_PCT * strength


EFFECTS: dict[str, Effect] = {
    "heatwave": _heatwave,
    "dry_inflow": _dry_inflow,
    "wind_spike": _wind_spike,
    "cold_spell": _cold_spell,
    "sensor_dropout": _sensor_dropout,
    "pump_clog": _pump_clog,
    "valve_stuck": _valve_stuck,
    "leak": _leak,
    "uneven_drippers": _uneven_drippers,
    "probe_drift": _probe_drift,
    "probe_disconnect": _probe_disconnect,
    "probe_stuck": _probe_stuck,
    "probe_jump": _probe_jump,
    "link_noise": _link_noise,
    "link_cut": _link_cut,
    "board_reset": _board_reset,
    "host_kill": _host_kill,
    "brownout": _brownout,
    "reservoir_empty": _reservoir_empty,
}
"""Effect by the name of the fault."""
