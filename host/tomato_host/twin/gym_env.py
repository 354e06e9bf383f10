"""The twin as a gymnasium environment, for those who want to train on it: `pip install .[gym]`.

One step is one decision of some minutes. Observations are what the board would report (with its noise), never the
truth; the reward rests on the truth. What an action asks for passes the limits of the table of devices first.
"""

from __future__ import annotations

import math
from typing import Any

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as error:
    from tomato_host.errors import TomatoError

    raise TomatoError("E-EXTRA-GYM", "gymnasium is not installed.", "Run `pip install '.[gym]'`.") from error

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import GAS, PUMP, names_of
from shared_schemas.records import ObservationV1
from tomato_host.brain.settings import SiteSettings
from tomato_host.twin.campaign.matrix import START
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

STEP_S = 900.0
READY_S = 4.0
"""An episode begins when the board has booted and been leased."""
RENEW_S = 60.0
FIELDS: tuple[tuple[str, float, float], ...] = (
    ("air_temp_c", -10.0, 50.0),
    ("rh_pct", 0.0, 100.0),
    ("co2_ppm", 0.0, 5_000.0),
    ("leaf_temp_c", -10.0, 50.0),
    ("light_lux", 0.0, 120_000.0),
    ("soil_temp_c", -10.0, 50.0),
    ("soil_p1_pct", 0.0, 100.0),
    ("soil_p2_pct", 0.0, 100.0),
    ("water_left_ml", 0.0, float(PUMP.day_budget)),
    ("hour_sin", -1.0, 1.0),
    ("hour_cos", -1.0, 1.0),
)
"""What an observation holds, with its bounds; a quantity without a value keeps its last one."""
RELAYS = names_of(kind="relay")
DOSED = (PUMP, GAS)
"""An action: share of the step that each relay is on, then share of its largest dose that each of these gives."""

Observation = NDArray[np.float32]
Action = NDArray[np.float32]


class TomatoTent(gymnasium.Env[Observation, Action]):
    """A tent for `days` days. `scenario` names faults; each `reset(seed=...)` is another tent and weather."""

    metadata = {"render_modes": []}

    def __init__(self, days: float = 7.0, scenario: str = "", vary: bool = True) -> None:
        self._days, self._scenario, self._vary = days, scenario, vary
        self.observation_space = spaces.Box(
            np.array([low for _, low, _ in FIELDS], np.float32),
            np.array([high for _, _, high in FIELDS], np.float32),
            dtype=np.float32,
        )
        self.action_space = spaces.Box(0.0, 1.0, (len(RELAYS) + len(DOSED),), np.float32)
        self._tent = SimulatedTent(0)
        self._seen = np.zeros(len(FIELDS), np.float32)

    @property
    def twin(self) -> SimulatedTent:
        """The tent behind the environment; its truth is for judging, not for deciding."""
        return self._tent

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Another tent, the same for the same seed."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(0, 2**31 - 1))
        params = TentParams.sample(drawn) if self._vary else None
        self._tent = SimulatedTent(drawn, params, self._scenario, START, STEP_S, timezone=SiteSettings().timezone)
        self._tent.advance(READY_S)
        self._seen = np.array([(low + high) / 2.0 for _, low, high in FIELDS], np.float32)
        return self._look(), {"seed": drawn}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Live through one step; terminated when the plants have died of drought."""
        tent, truth = self._tent, self._tent.world.tent.truth()
        fixed, water = truth.assimilated_g, truth.pumped_ml
        wished = np.clip(np.nan_to_num(np.asarray(action, np.float64)), 0.0, 1.0)
        for row, share in zip(DOSED, wished[len(RELAYS) :], strict=True):
            if share > 0.02:
                tent.pulse(row.name, round(float(share) * row.max_dose))
        stressed, dried = self._live(wished)
        dead = tent.world.safety.wilted_h > 48.0
        gained = truth.assimilated_g - fixed
        reward = gained - 2.0 * stressed - 0.001 * (truth.pumped_ml - water) - 0.5 * dried - (50.0 if dead else 0.0)
        over = tent.now_ms >= self._days * 86_400_000.0
        info = {"assimilated_g": gained, "broken": tent.world.safety.broken()}
        return self._look(), float(reward), dead, over, info

    def _live(self, wished: NDArray[np.float64]) -> tuple[float, float]:
        """Pass one step, renewing relays; returns hours of drought and hours with the VPD out of 0.4-1.5 kPa."""
        tent, truth = self._tent, self._tent.world.tent.truth()
        stressed = strayed = 0.0
        for k in range(round(STEP_S / RENEW_S)):
            left = [share * STEP_S - k * RENEW_S for share in wished[: len(RELAYS)]]
            for name, seconds in zip(RELAYS, left, strict=True):
                if seconds > 0.0:
                    tent.pulse(name, round(min(float(seconds), RENEW_S + 1.0) * 1_000.0))
            tent.advance(RENEW_S)
            tent.take_results()
            stressed += (1.0 - truth.stress) * RENEW_S / 3_600.0
            strayed += 0.0 if 0.4 <= truth.vpd_kpa <= 1.5 else RENEW_S / 3_600.0
        return stressed, strayed

    def _look(self) -> Observation:
        tent = self._tent
        if tent.board.core is None:
            tent.advance(READY_S)  # it boots just now
        observation = tent.observe()
        hour = 2.0 * math.pi * (tent.now.hour + tent.now.minute / 60.0) / 24.0
        left = PUMP.day_budget - tent.device_status().water_ml_used_today
        values = _values(observation) | {"water_left_ml": left, "hour_sin": math.sin(hour), "hour_cos": math.cos(hour)}
        for k, (name, low, high) in enumerate(FIELDS):
            value = values[name]
            if value is not None:
                self._seen[k] = min(high, max(low, value))
        return self._seen.copy()


def _values(observation: ObservationV1) -> dict[str, float | None]:
    soil = {f"soil_{probe.id.lower()}_pct": probe.moisture_pct for probe in observation.soil}
    names = ("air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c")
    return {name: getattr(observation, name) for name in names} | soil
