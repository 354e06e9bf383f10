"""GreenLight-Gym behind a pipe: runs in a virtual environment of its own and answers JSON lines.

`gl-gym` is AGPL and needs numpy below 2, so it is never installed beside the project: this file imports nothing of
ours, and ours imports nothing of its. One request a line on standard input, one answer a line on standard output:

    {"op": "reset", "year": 2010, "days": 60, "start_day": 59}  -> {"obs", "forecast", "reward": 0, "info": {}, "done"}
    {"op": "step", "controls": [boiler, co2, thermal screen, vent, lamp, blackout screen]}  -> the same, 15 min later
    {"op": "step", "controls": null}              -> the same, controlled by the benchmark's own rule-based controller

`obs` are the five default observation modules and `forecast` its `WeatherForecastObservations` (12 h): what its
interface shows a controller, and nothing else of its state. Controls are absolute, 0 to 1, as its rule-based controller
sets them (`normalize_actions=False`).
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gl_gym  # noqa: F401 - registers the environment
import gymnasium
import numpy as np
from gl_gym.components.rule_based import RuleBasedController
from gl_gym.core.types import StepContext
from gl_gym.environments.greenlight_env import OBSERVATION_MODULES

MODULES = [
    "BasicCropObservations",
    "ControlObservations",
    "IndoorClimateObservations",
    "WeatherObservations",
    "TimeObservations",
]
FORECAST = "WeatherForecastObservations"
RULES: dict[str, float] = {
    "lamps_on": 0,
    "lamps_off": 18,
    "lamps_day_start": -1,
    "lamps_day_stop": 366,
    "lamps_off_sun": 400,
    "lamp_rad_sum_limit": 10,
    "temp_setpoint_day": 19.5,
    "temp_setpoint_night": 16.5,
    "heat_correction": 0,
    "heat_deadzone": 5,
    "co2_day": 800,
    "vent_heat_Pband": 4,
    "rh_max": 85,
    "mech_dehumid_Pband": 2,
    "vent_rh_Pband": 5,
    "t_vent_off": 1,
    "vent_cold_Pband": -1,
    "thScrSpDay": 5,
    "thScrSpNight": 10,
    "thScrPband": -1,
    "thScrDeadZone": 4,
    "thScrRh": -2,
    "thScrRhPband": 2,
    "lampExtraHeat": 2,
    "blScrExtraRh": 100,
    "rhMax": 85,
    "tHeatBand": -1,
    "co2Band": -100,
    "useBlScr": 1,
}
"""The rule-based controller's settings as the benchmark's README gives them."""


class Forecast(OBSERVATION_MODULES[FORECAST]):  # type: ignore[misc]
    """The benchmark's forecast, which reads one row past its weather at an episode's last step: that row repeats."""

    def compute_obs(self, ctx: Any) -> Any:
        """The next `Np` rows of weather, flat."""
        rows = [min(ctx.t + ahead, len(ctx.d) - 1) for ahead in range(1, self.Np + 1)]
        return np.asarray(ctx.d[rows, :5], dtype=np.float32).ravel()


class Episode:
    """The benchmark's environment and its own controller, driven by requests."""

    def __init__(self) -> None:
        self.env: Any = None
        self.rules = RuleBasedController(**RULES)

    def reset(self, year: int, days: int, start_day: int) -> dict[str, Any]:
        """A new episode; the environment is built anew, because its weather cache forgets the season's length."""
        self.env = gymnasium.make(
            "gl_gym/GreenLightTomato-v0",
            season_length=days,
            observation_modules=[*MODULES, Forecast],
            normalize_actions=False,
            disable_env_checker=True,
        )
        scenario = {"location": "Amsterdam", "growth_year": year, "start_day": start_day}
        obs, _ = self.env.reset(seed=0, options={"scenario": scenario})
        return self._answer(obs, 0.0, {}, False)

    def step(self, controls: list[float] | None) -> dict[str, Any]:
        """A quarter of an hour."""
        wanted = self._by_rules() if controls is None else controls
        obs, reward, ended, cut, info = self.env.step(np.asarray(wanted, dtype=np.float32))
        return self._answer(obs, float(reward), info, bool(ended or cut))

    def _by_rules(self) -> Any:
        env = self.env.unwrapped
        context = StepContext(
            t=env.timestep,
            dt=env.dt,
            Np=env.Np,
            x_prev=env.x_prev,
            x=env.x,
            u=env.u,
            p=env.p,
            d=env.weather_data,
            hour_of_day=env.hour_of_day,
            day_of_year=env.day_of_year,
        )
        return self.rules.predict(context)

    @staticmethod
    def _answer(obs: Any, reward: float, info: Any, done: bool) -> dict[str, Any]:
        shown = {name: np.asarray(obs[name], dtype=float).tolist() for name in MODULES}
        ahead = np.asarray(obs[FORECAST], dtype=float).reshape(-1, 5).tolist()
        plain = {name: np.asarray(value, dtype=float).tolist() for name, value in info.items()}
        return {"obs": shown, "forecast": ahead, "reward": reward, "info": plain, "done": done}


def main() -> None:
    """Answer requests until standard input ends; what the benchmark prints goes to standard error."""
    out, sys.stdout = sys.stdout, sys.stderr
    episode = Episode()
    for line in sys.stdin:
        request = json.loads(line)
        op = request.pop("op")
        answer = episode.reset(**request) if op == "reset" else episode.step(**request)
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
