"""A simulated tent whose relays follow any pattern, seen through its own sensors by the supervision of outputs alone.

No controller: strokes come in conditions that a controller of another day may make (short, beside the exhaust,
just after another one, in air that is nearly full, in a room unlike the believed one).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from tomato_host.brain.estimator.actuator_effect import ActuatorSupervision
from tomato_host.brain.estimator.channels import CHANNELS
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import Outside, TentPhysics, saturation_g_m3
from tomato_host.twin.sensors import SimulatedSensors

from shared_schemas.devices import GAS, LAMP, MAT, MIST, OUTPUT_BY_NAME, OUTPUTS, STIRRER, VENT
from shared_schemas.records import AnomalyV1, DeviceStatusV1
from shared_schemas.records.device_status_v1 import Outputs

START = datetime(2026, 5, 6, tzinfo=UTC)
STEP_S = 10.0
SMOOTH_S = {channel.name: channel.smooth_s for channel in CHANNELS}
DOSE_S = 8.0
BLOCKS_S = (60.0, 70.0, 90.0, 120.0, 130.0, 180.0, 240.0, 300.0, 600.0)
"""Lengths of the pieces of a random pattern."""


class PatternTent:
    """One tent, its sensors with the noise filter of the estimator, and the supervision."""

    def __init__(self, seed: int, room_c: float = 20.0, room_rh_pct: float = 50.0, dead: str = "") -> None:
        self.params = TentParams.sample(seed)
        self.physics = TentPhysics(self.params, seed)
        self.physics.dead_outputs = bits((dead,)) if dead else 0
        self.sensors = SimulatedSensors(seed, self.params)
        self.room = Outside(room_c, saturation_g_m3(room_c) * room_rh_pct / 100.0)
        self.supervision = ActuatorSupervision()
        self.t_s, self.gas_s = 0.0, 0.0
        self.values: dict[str, float] = {}
        self.told: list[AnomalyV1] = []

    def run(self, seconds: float, *on: str) -> PatternTent:
        """Hold these outputs ON; the gas valve, if named, opens once for DOSE_S, as short as its doses are."""
        relays = bits(name for name in on if name != GAS.name)
        if GAS.name in on:
            self.physics.advance(DOSE_S, relays | bits((GAS.name,)), self.room)
            self.gas_s += DOSE_S
        for n in range(round(seconds / STEP_S)):
            self.physics.advance(STEP_S - (DOSE_S if n == 0 and GAS.name in on else 0.0), relays, self.room)
            self.t_s += STEP_S
            self._observe(on)
        return self

    def _observe(self, on: tuple[str, ...]) -> None:
        read = self.sensors.read(round(self.t_s * 1_000.0), self.physics.truth())
        for name, smooth_s in SMOOTH_S.items():
            value = getattr(read, name)
            known = self.values.get(name, value)
            self.values[name] = known + (value - known) * STEP_S / (smooth_s + STEP_S)
        states = {row.name: "ON" if row.name in on and row.name != GAS.name else "OFF" for row in OUTPUTS}
        ts = START + timedelta(seconds=self.t_s)
        status = DeviceStatusV1(
            schema_version="device_status_v1", ts=ts, mcu_connected=True, outputs=Outputs.model_validate(states),
            co2_seconds_used_today=self.gas_s,
        )  # fmt: skip
        values = [self.values[name] for name in SMOOTH_S]
        self.told += self.supervision.update(self.t_s, ts, values, status, False)

    def at_random(self, seed: int, hours: float) -> PatternTent:
        """Pieces of random length with random outputs; the lamp burns 14 h of 24, the fan always."""
        rng = Random(f"pattern-{seed}")
        self.run(3_600.0, STIRRER.name)
        while self.t_s < hours * 3_600.0:
            on = {STIRRER.name} | ({LAMP.name} if self.t_s % 86_400.0 < 50_400.0 else set())
            on |= {name for name, share in SHARES.items() if rng.random() < share}
            if VENT.name in on or rng.random() < 0.9:
                on.discard(GAS.name)
            self.run(rng.choice(BLOCKS_S), *sorted(on))
        return self


SHARES = {VENT.name: 0.35, MIST.name: 0.35, MAT.name: 0.1, GAS.name: 1.0}


def bits(names: object) -> int:
    """Relays of these names, as bits."""
    return sum(1 << OUTPUT_BY_NAME[name].wire_id for name in names)  # type: ignore[attr-defined]


def seedlings(tent: PatternTent) -> PatternTent:
    """Small plants, which hardly wet the air."""
    tent.physics.plant.lai = 0.3
    tent.params = replace(tent.params, lai_0=0.3)
    return tent
