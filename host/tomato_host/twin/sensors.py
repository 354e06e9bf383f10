"""What the parts report of the truth: placement error, tolerance, lag, noise, drift, cross-sensitivity, quantisation.

Sources: data sheets of SHT40 (0.2 K, 1.8 % RH, tau 2 s bare, 8 s RH), SCD41 (50 ppm + 5 %, repeatability 10 ppm, tau
60 s), MLX90614 (0.5 K, 90 degree field of view), BH1750 (20 %), DS18B20 (0.5 K, 1/16 K), YF-S201 (3 %). The placement
error is set so that two units in one compartment differ as measured there: 0.7 +- 1.0 K and 2.7 +- 6.2 % RH.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import Truth
from tomato_host.twin.vm_channel import ABSENT_BITS

PLACEMENT_SD_K = 0.55
PLACEMENT_SWING_K = 0.45
PLACEMENT_SD_RH = 3.2
PLACEMENT_SWING_RH = 3.0
PROBE_DRY_RAW = 52_000
PROBE_WET_RAW = 22_000
"""The calibration the board starts with; the twin's probes differ from it by their tolerance."""
FLOW_PULSES_PER_ML = 0.45
DAY_MS = 86_400_000
NOISES = 8
"""How many numbers of noise one reading of all parts takes."""


@dataclass(slots=True)
class Readings:
    """One reading of every part, as the part would put it on its bus."""

    air_temp_c: float
    rh_pct: float
    co2_ppm: float
    leaf_temp_c: float
    case_temp_c: float
    light_lux: float
    soil_temp_c: float
    soil_raw: tuple[int, int]
    absent: int
    """Bits of vm_channel.ABSENT_BITS for chips that do not answer; << 8 for those whose bytes are spoilt."""


@dataclass(slots=True)
class SensorFaults:
    """What is broken just now. Probe drift and sticking are per probe, in units of volumetric percent."""

    absent: int = 0
    corrupt: int = 0
    probe_unplugged: list[bool] = field(default_factory=lambda: [False, False])
    probe_stuck_raw: list[int | None] = field(default_factory=lambda: [None, None])
    probe_drift_pct: list[float] = field(default_factory=lambda: [0.0, 0.0])
    probe_mirrored: list[bool] = field(default_factory=lambda: [False, False])
    """Reads the wetter the drier it is: what two swapped calibration points make of a probe."""


SensorState = tuple[int, int, dict[str, float], tuple[float, ...]]


class SimulatedSensors:
    """All parts of one board. The same seed and the same moments of asking give the same readings."""

    def __init__(self, seed: int, params: TentParams) -> None:
        rng = random.Random(f"sensors-{seed}")
        self._rng = rng
        self.faults = SensorFaults()
        self._air_bias = rng.gauss(0.0, PLACEMENT_SD_K) + rng.gauss(0.0, 0.1)
        self._rh_bias = rng.gauss(0.0, PLACEMENT_SD_RH) + rng.gauss(0.0, 0.9)
        self._air_swing = rng.gauss(0.0, PLACEMENT_SWING_K)
        self._rh_swing = rng.gauss(0.0, PLACEMENT_SWING_RH)
        self._swing_phase = rng.uniform(0.0, 2.0 * math.pi)
        self._co2_bias = rng.gauss(0.0, 25.0)
        self._co2_gain = 1.0 + rng.gauss(0.0, 0.025)
        self._leaf_bias = rng.gauss(0.0, 0.25)
        self._leaf_view = rng.uniform(0.75, 0.95)  # the rest of the field of view is background
        self._lux_gain = 1.0 + rng.gauss(0.0, 0.08)
        self._soil_bias = rng.gauss(0.0, 0.2)
        self._probe_gain = [1.0 + rng.gauss(0.0, 0.04) for _ in range(2)]
        self._probe_offset = [rng.gauss(0.0, 400.0) for _ in range(2)]
        self._probe_daily = [rng.gauss(0.0, 15.0) for _ in range(2)]  # counts per day of ageing
        self._probe_per_k = [rng.uniform(20.0, 60.0) for _ in range(2)]  # counts per K, Kizito et al. 2008 in sign
        self.flow_gain = 1.0 + rng.gauss(0.0, 0.02)
        self._lagged: dict[str, float] = {}
        self._lagged_ms = 0
        self._reads = 0
        self._drawn: list[float] = []
        """Unit noise of the last `read`."""
        self._given_back: list[float] = []
        """Unit noise that `restore` has taken back, to be used next."""

    def state(self) -> SensorState:
        """What `read` changes, to be put back by `restore` after at most one reading."""
        return self._reads, self._lagged_ms, dict(self._lagged), tuple(self.faults.probe_drift_pct)

    def restore(self, state: SensorState) -> None:
        """Go back to an earlier `state`; the next reading finds the same noise."""
        reads, self._lagged_ms, self._lagged, drift = state
        self.faults.probe_drift_pct[:] = drift
        if self._reads != reads:
            self._given_back = self._drawn + self._given_back
            self._drawn = []
            self._reads = reads

    def _draw(self) -> list[float]:
        """Unit noise of one reading, in the order in which the parts are read."""
        kept, self._given_back = self._given_back[:NOISES], self._given_back[NOISES:]
        gauss = self._rng.gauss
        self._drawn = kept + [gauss(0.0, 1.0) for _ in range(NOISES - len(kept))]
        return self._drawn

    def read(self, now_ms: int, truth: Truth) -> Readings:
        """What the parts show at `now_ms`."""
        air_noise, rh_noise, co2_noise, leaf_noise, lux_noise, soil_noise, *probe_noise = self._draw()
        self._reads += 1
        dt_s = max(0.0, (now_ms - self._lagged_ms) / 1_000.0)
        self._lagged_ms = now_ms
        swing = math.sin(2.0 * math.pi * now_ms / DAY_MS + self._swing_phase)
        # Radiation warms the housing a little even behind its shield.
        warmed = truth.air_c + 0.4 * min(1.0, truth.ppfd_umol / 600.0)
        air = self._lag("air", warmed, dt_s, 40.0)
        rh = self._lag("rh", truth.rh_pct, dt_s, 30.0)
        co2 = self._lag("co2", truth.co2_ppm, dt_s, 60.0)
        soil = self._lag("soil", truth.soil_c, dt_s, 45.0)
        leaf = self._leaf_view * truth.leaf_c + (1.0 - self._leaf_view) * truth.air_c
        air_c = air + self._air_bias + self._air_swing * swing + air_noise * 0.04
        faults = self.faults
        return Readings(
            air_temp_c=air_c,
            rh_pct=min(100.0, max(0.0, rh + self._rh_bias + self._rh_swing * swing + rh_noise * 0.15)),
            co2_ppm=max(0.0, co2 * self._co2_gain + self._co2_bias + co2_noise * 6.0),
            leaf_temp_c=leaf + self._leaf_bias + leaf_noise * 0.08,
            case_temp_c=air_c + 0.6,
            light_lux=max(0.0, truth.lux * self._lux_gain + lux_noise * (0.004 * truth.lux)),
            soil_temp_c=soil + self._soil_bias + soil_noise * 0.02,
            soil_raw=(
                self._probe(0, truth.theta_1, soil, now_ms, probe_noise[0]),
                self._probe(1, truth.theta_2, soil, now_ms, probe_noise[1]),
            ),
            absent=faults.absent | faults.corrupt << 8,
        )

    def _lag(self, name: str, value: float, dt_s: float, tau_s: float) -> float:
        """First-order lag; the first reading is settled."""
        old = self._lagged.get(name)
        new = value if old is None else value + (old - value) * math.exp(-dt_s / tau_s)
        self._lagged[name] = new
        return new

    def _probe(self, k: int, theta: float, soil_c: float, now_ms: int, noise: float) -> int:
        """ADC count of a capacitive probe: falling with water content, drifting with temperature and age."""
        faults = self.faults
        if faults.probe_unplugged[k]:
            return 65_535
        stuck = faults.probe_stuck_raw[k]
        if stuck is not None:
            return stuck
        raw = self._count(k, theta, soil_c, now_ms, noise * 25.0)
        return PROBE_DRY_RAW + PROBE_WET_RAW - raw if faults.probe_mirrored[k] else raw

    def probe_count(self, k: int, truth: Truth, now_ms: int) -> int:
        """What a probe would show just now, without noise."""
        return self._count(k, truth.theta_2 if k else truth.theta_1, truth.soil_c, now_ms, 0.0)

    def _count(self, k: int, theta: float, soil_c: float, now_ms: int, noise: float) -> int:
        wetness = theta + self.faults.probe_drift_pct[k] / 100.0
        raw = PROBE_DRY_RAW - (PROBE_DRY_RAW - PROBE_WET_RAW) * wetness * self._probe_gain[k] + self._probe_offset[k]
        raw -= self._probe_per_k[k] * (soil_c - 20.0) * 0.3
        raw += self._probe_daily[k] * now_ms / DAY_MS + noise
        return min(65_535, max(0, round(raw / 16.0) * 16))  # a 12-bit converter, scaled up


def to_block(r: Readings) -> tuple[int, ...]:
    """The readings as the 16 integers of the channel's block of values."""
    return (
        round(r.air_temp_c * 1_000),
        round(r.rh_pct * 1_000),
        round(r.co2_ppm * 10),
        round(r.leaf_temp_c * 1_000),
        round(r.case_temp_c * 1_000),
        round(r.light_lux * 10),
        round(r.soil_temp_c * 1_000),
        r.soil_raw[0],
        r.soil_raw[1],
        0,
        0,
        round((r.air_temp_c + 1.5) * 1_000),
        round(min(100.0, r.rh_pct * 0.92) * 1_000),
        0,
        0,
        r.absent,
    )


def chip_bits(*names: str) -> int:
    """Bits of chips by name. Raises KeyError for an unknown one."""
    bits = 0
    for name in names:
        bits |= ABSENT_BITS[name]
    return bits
