"""The twin as a gymnasium environment, for those who want to train on it: `pip install .[gym]`.

One step is one decision of some minutes. Observations are what the board would report (with its noise), never the
truth; the reward rests on the truth. An action becomes proposals of one agent of the tent (`LEARNER`): they pass
admission and guardrails as everybody's do, and `info` says what was refused and clipped. Safe mode stays on guard.
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

from shared_schemas.devices import GAS, OUTPUT_BY_NAME, PUMP, Output, names_of
from shared_schemas.records import ActionV1, AgentV1, ObservationV1
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.brain.settings import SiteSettings
from tomato_host.brain.step_data import BrainSettings
from tomato_host.twin.campaign.matrix import START
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

STEP_S = 900.0
OBSERVE_S = 300.0
READY_S = 4.0
"""An episode begins when the board has booted and been leased."""
LEARNER = AgentV1(
    schema_version="agent_v1", ts=NEVER, name="learner", tent="main", origin="policy", policy="tent", shadow=False
)
"""Whose proposals the actions are."""
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
"""An action: share of the step that each relay is asked to be on, then share of its largest dose of each of these."""
LEAST_SHARE = 0.02
"""Smaller shares ask for nothing."""

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
        self._run = _begin(self._tent)
        self._number = 0
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
        self._tent = SimulatedTent(drawn, params, self._scenario, START, OBSERVE_S, timezone=SiteSettings().timezone)
        self._tent.advance(READY_S)
        self._run = _begin(self._tent)
        self._number = 0
        self._seen = np.array([(low + high) / 2.0 for _, low, high in FIELDS], np.float32)
        self._run.step()
        return self._look(), {"seed": drawn}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Live through one step; terminated when the plants have died of drought."""
        tent, truth = self._tent, self._tent.world.tent.truth()
        fixed, water = truth.assimilated_g, truth.pumped_ml
        refused, clipped = self._propose(np.clip(np.nan_to_num(np.asarray(action, np.float64)), 0.0, 1.0))
        stressed, dried = self._live()
        dead = tent.world.safety.wilted_h > 48.0
        gained = truth.assimilated_g - fixed
        reward = gained - 2.0 * stressed - 0.001 * (truth.pumped_ml - water) - 0.5 * dried - (50.0 if dead else 0.0)
        over = tent.now_ms >= self._days * 86_400_000.0
        info = {
            "assimilated_g": gained,
            "broken": tent.world.safety.broken(),
            "refused": refused,
            "clipped": clipped,
            "mode": self._run.brain.mode,
        }
        return self._look(), float(reward), dead, over, info

    def _propose(self, shares: NDArray[np.float64]) -> tuple[dict[str, str], dict[str, str]]:
        """One proposal an output; by output, the rule that refused it, and the one that made it less."""
        rows = (*(OUTPUT_BY_NAME[name] for name in RELAYS), *DOSED)
        refused, clipped = dict[str, str](), dict[str, str]()
        for row, share in zip(rows, shares, strict=True):
            if share <= LEAST_SHARE:
                continue
            self._number += 1
            verdict = self._run.propose(_proposal(row, float(share), self._tent, self._number))
            if not verdict.allowed:
                refused[row.name] = verdict.rule or ""
            elif verdict.rule is not None:
                clipped[row.name] = verdict.rule
        return refused, clipped

    def _live(self) -> tuple[float, float]:
        """Pass one step; returns hours of drought and hours with the VPD out of 0.4-1.5 kPa."""
        tent, truth = self._tent, self._tent.world.tent.truth()
        stressed = strayed = 0.0
        end_ms, before_ms = tent.now_ms + round(STEP_S * 1_000.0), tent.now_ms
        while tent.now_ms < end_ms and self._run.step() is not None:
            hours = (tent.now_ms - before_ms) / 3_600_000.0
            stressed += (1.0 - truth.stress) * hours
            strayed += 0.0 if 0.4 <= truth.vpd_kpa <= 1.5 else hours
            before_ms = tent.now_ms
        return stressed, strayed

    def _look(self) -> Observation:
        tent, observation = self._tent, self._run.observation
        hour = 2.0 * math.pi * (tent.now.hour + tent.now.minute / 60.0) / 24.0
        left = PUMP.day_budget - tent.device_status().water_ml_used_today
        values: dict[str, float | None] = {
            "water_left_ml": left,
            "hour_sin": math.sin(hour),
            "hour_cos": math.cos(hour),
        }
        values.update({} if observation is None else _values(observation))
        for k, (name, low, high) in enumerate(FIELDS):
            value = values.get(name)
            if value is not None:
                self._seen[k] = min(high, max(low, value))
        return self._seen.copy()


def _begin(tent: SimulatedTent) -> TentRun:
    """The host of a tent in which the learner decides and nobody else."""
    run = TentRun(tent, BrainSettings(), decides=False)
    run.brain.admission.set_agent(LEARNER)
    return run


def _proposal(row: Output, share: float, tent: SimulatedTent, number: int) -> ActionV1:
    """What a share asks for, as a proposal."""
    whole = WHOLE[row.name]
    if row.kind == "relay" or row.dose_unit != "ml":
        amount = {"seconds": share * (STEP_S if row.kind == "relay" else row.max_dose / 1_000.0)}
    else:
        amount = {"ml": share * row.max_dose}
    params = whole.params.model_copy(update=amount)
    return whole.model_copy(update={"ts": tent.now, "params": params, "id": f"{LEARNER.name}-{number}"})


def _whole(row: Output) -> ActionV1:
    """The proposal for all of an output that a step allows; validated here, so that those for less need not be."""
    if row.kind == "relay":
        params: dict[str, str | float] = {"state": "ON", "seconds": STEP_S}
    else:
        params = {"ml": float(row.max_dose)} if row.dose_unit == "ml" else {"seconds": row.max_dose / 1_000.0}
    return ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": NEVER,
            "type": row.action,
            "params": params,
            "origin": "policy",
            "agent": LEARNER.name,
            "id": LEARNER.name,
        }
    )


WHOLE = {name: _whole(OUTPUT_BY_NAME[name]) for name in (*RELAYS, *(row.name for row in DOSED))}
"""By output: the largest proposal of a step."""


def _values(observation: ObservationV1) -> dict[str, float | None]:
    soil = {f"soil_{probe.id.lower()}_pct": probe.moisture_pct for probe in observation.soil}
    names = ("air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c")
    return {name: getattr(observation, name) for name in names} | soil
