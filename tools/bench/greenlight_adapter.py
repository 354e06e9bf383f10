"""The planner core on a third party's tomatoes: GreenLight-Gym, 60 days in a real spring's weather near Amsterdam.

    python3 -m venv build/greenlight && build/greenlight/bin/pip install gl-gym
    python tools/bench/greenlight_adapter.py --learn            # once: watches 2010, writes build/bench/greenlight.npz
    python tools/bench/greenlight_adapter.py --years 2008 2009 2011 2012

Its environment runs in a process of its own (`greenlight_process.py`: AGPL, numpy below 2, never a dependency), and the
planner sees what its interface shows: the default observations, its 12 h forecast, and the itemised reward of each
step. It learns from 2010 alone (`greenlight_model.py`) and plans with the same beam core as in the tent. Beside it runs
the benchmark's own rule-based controller, which reads the true state and the day's light sum before it has fallen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from greenlight_model import (
    CONTROLS,
    DAY_STEPS,
    SHOWN,
    Array,
    Knowledge,
    Watched,
    humidity_pct,
    joined,
    learn_climate,
    learn_growth,
    learn_money,
    read_state,
    read_weather,
)
from greenlight_plans import ControlEdits, Margins, Outlook
from tomato_host.brain.control.planner.beam_search import SearchSettings, search

TITLE = "Planner core on GreenLight-Gym 0.3.2 (gl-gym)"
HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
LEARNED = BUILD / "bench" / "greenlight.npz"
LEARNED_FROM = 2010
START_DAY, DAYS = 59, 60
"""The benchmark's own episode."""
HORIZON = 24
"""Steps of a quarter of an hour."""
OWN_STARTS, OWN_DAYS = (59, 66, 74, 84, 96, 108), 4
"""Where the first planner's own course is watched."""
PLAN_EVERY = 2
"""Steps from plan to plan."""
TRUST_IN_ERROR = 0.2
"""Share of a new error of the network that is taken to last."""
FIRST_USUAL_MG = 150.0
"""Fruit gain of a step in mg/m2 that is taken for usual before a day has been seen."""
MOST_BY_CO2 = 0.9
"""Assimilation's factor where CO2 abounds (1 at endless CO2)."""
BOILER, CO2, SCREEN, VENT, LAMP, BLACKOUT = range(CONTROLS)


class GreenLight:
    """Its environment in its own process, one request and one answer at a time."""

    def __init__(self, python: Path) -> None:
        """Start it. Raises FileNotFoundError with the next step where the virtual environment is missing."""
        if not python.exists():
            raise FileNotFoundError(f"no {python}: make a virtual environment there and install gl-gym into it")
        command = [str(python), str(HERE / "greenlight_process.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> GreenLight:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30.0)

    def reset(self, year: int, days: int = DAYS, start_day: int = START_DAY) -> dict[str, Any]:
        """A new episode."""
        return self._ask({"op": "reset", "year": year, "days": days, "start_day": start_day})

    def step(self, controls: Array | None) -> dict[str, Any]:
        """A quarter of an hour under these controls [6]; None: under the benchmark's own rules."""
        return self._ask({"op": "step", "controls": None if controls is None else controls.tolist()})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the environment's process ended with {self._process.wait()}: see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Explorer:
    """Wandering setpoints: what a grower might do and a little beyond, so that every control is seen at work."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.left = 0
        self.air_c, self.humid_pct, self.wide = 17.0, 85.0, np.zeros(CONTROLS)
        self.set = np.zeros(CONTROLS)

    def controls(self, state: Array, answer: dict[str, Any]) -> Array:
        """Of this step [6]."""
        rng = self.rng
        if self.left <= 0:
            self.left = int(rng.integers(1, 14))
            self.air_c, self.humid_pct = rng.uniform(15.5, 22.0), rng.uniform(75.0, 92.0)
            at_random = rng.random(CONTROLS) < (0.12, 1.0, 1.0, 0.1, 1.0, 1.0)
            self.set = np.where(at_random, rng.random(CONTROLS), np.nan)
            often = (1.0, 0.6, 0.5, 1.0, 0.15, 0.12)
            self.set = np.where(at_random & (rng.random(CONTROLS) > often), 0.0, self.set)
            whole = rng.random(CONTROLS) < (0.1, 0.2, 0.4, 0.1, 0.4, 0.4)
            self.set = np.where(whole & (self.set > 0.0), np.round(self.set), self.set)
        self.left -= 1
        humid = float(humidity_pct(state[0], state[1]))
        ruled = np.zeros(CONTROLS)
        ruled[BOILER] = 0.4 * (self.air_c - state[0]) + 0.2 * float(state[0] < self.air_c)
        ruled[VENT] = max(0.05 * (humid - self.humid_pct), 0.15 * (state[0] - self.air_c - 4.0))
        return np.clip(np.where(np.isnan(self.set), ruled, self.set), 0.0, 1.0)


class Planner:
    """Plans every half hour from the last plan moved on; corrects the network by its newest errors."""

    def __init__(
        self, known: Knowledge, margins: Margins | None = None, rounds: int = 4, horizon: int = HORIZON
    ) -> None:
        self.known, self.margins, self.rounds, self.horizon = known, margins or Margins(), rounds, horizon
        free = tuple(k for k in range(CONTROLS) if k != LAMP or self._lamp_pays())
        self.edits = ControlEdits(horizon, free)
        self.plan = np.zeros((horizon, CONTROLS))
        self.error = np.zeros(SHOWN)
        self.expected: Array | None = None
        self.usual_mg = FIRST_USUAL_MG
        self.steps = 0
        self.times_ms: list[float] = []

    def _lamp_pays(self) -> bool:
        """Whether the lamp can earn its current where CO2 is plentiful."""
        growth, money = self.known.growth, self.known.money
        return money.per_mg * growth.per_lamp * MOST_BY_CO2 > float(money.cost[LAMP])

    def controls(self, state: Array, answer: dict[str, Any]) -> Array:
        """The first step [6] of the best plan, or the second of the last one."""
        if self.expected is not None:
            self.error = self.error + TRUST_IN_ERROR * (state[:SHOWN] - self.expected)
            self.usual_mg += (max(answer["info"]["fruit_growth_dm"], 0.0) - self.usual_mg) / DAY_STEPS
        weather = read_weather(answer["forecast"])[: self.horizon]
        mean = float(answer["obs"]["BasicCropObservations"][0])
        at = Outlook(self.known, state, weather, self.error, mean, self.margins, self.usual_mg)
        if self.steps % PLAN_EVERY == 0:
            began = time.thread_time()
            self.plan = self._planned(at)
            self.times_ms.append(1_000.0 * (time.thread_time() - began))
        self.steps += 1
        first = self.plan[0]
        self.expected = at.roll(first[None, None])[0, 0, :SHOWN]
        self.plan = np.concatenate([self.plan[1:], self.plan[-1:]])
        return np.asarray(first)

    def _planned(self, at: Outlook) -> Array:
        held = np.repeat(self.plan[:1], self.horizon, axis=0)
        how = SearchSettings(width=1, levels=3, rounds=self.rounds, together=12, pairs=0)
        return search(at.worth, self.edits, np.stack([self.plan, held]), how, lambda: False).plans[0]


class Disturbed:
    """The planner with controls that now and then stay where a coin put them: shows it what its own plans miss."""

    def __init__(self, known: Knowledge, seed: int) -> None:
        self.planner, self.rng = Planner(known, rounds=3), np.random.default_rng(seed)
        self.held: dict[int, tuple[int, float]] = {}

    def controls(self, state: Array, answer: dict[str, Any]) -> Array:
        """Of this step [6]."""
        rng, chosen = self.rng, self.planner.controls(state, answer).copy()
        if rng.random() < 0.2:
            column = int(rng.choice((BOILER, CO2, SCREEN, SCREEN, VENT, VENT, BLACKOUT)))
            self.held[column] = int(rng.integers(1, 8)), float(rng.choice((0.0, 1.0, rng.random())))
        for column, (_, value) in self.held.items():
            chosen[column] = value
        if self.held:
            self.planner.expected = None  # what was asked for is not what was done
        self.held = {column: (left - 1, value) for column, (left, value) in self.held.items() if left > 1}
        return chosen


class ItsRules:
    """The benchmark's own rules."""

    def controls(self, state: Array, answer: dict[str, Any]) -> None:
        """Leaves the step to them."""


def watch(
    link: GreenLight, chooser: Callable[[int], Any], starts: Iterable[int], days: int
) -> tuple[Watched, list[dict[str, Any]]]:
    """Stretches of the year that is learned from, one from each start day; what was seen, and all answers to steps."""
    rows: list[tuple[Any, ...]] = []
    answers = []
    for number, start in enumerate(starts):
        who = chooser(number)
        answer = link.reset(LEARNED_FROM, days, int(start))
        state = read_state(answer, None)
        while not answer["done"]:
            before, (mean, fruit, _) = state, answer["obs"]["BasicCropObservations"]
            weather, controls = read_weather(answer["forecast"][:1])[0], who.controls(state, answer)
            answer = link.step(controls)
            answers.append(answer)
            state, info = read_state(answer, before), answer["info"]
            rows.append(
                (before, info["controls"], weather, state[:SHOWN], fruit, info["fruit_growth_dm"], mean, number)
            )
    return Watched(*(np.array(column) for column in zip(*rows, strict=True))), answers


def learn(link: GreenLight, episodes: int = 20, days: int = 12) -> tuple[Knowledge, dict[str, Any]]:
    """Explore and fit, watch what the first planner and the rules do, fit the climate again; also how well it fits.

    A model that has seen only wandering setpoints is wrong where a planner goes, and it goes where the model is wrong
    (Ross, Gordon and Bagnell 2011, Proc. AISTATS): so its own plans are watched, too, and count three times.
    """
    starts = np.linspace(START_DAY - 10, START_DAY + DAYS - days + 10, episodes).astype(int)
    seen, answers = watch(link, lambda number: Explorer(1 + number), starts, days)
    growth, share = learn_growth(seen)
    known = Knowledge(learn_climate(seen)[0], growth, learn_money(answers))
    own, _ = watch(link, lambda number: Disturbed(known, 100 + number), OWN_STARTS, OWN_DAYS)
    theirs, _ = watch(link, lambda number: ItsRules(), OWN_STARTS, OWN_DAYS)
    climate, error = learn_climate(joined([seen, *3 * [own, theirs]]), rounds=120)
    names = ("air degC", "vapour Pa", "CO2 ppm", "pipe degC")
    fit = {
        "steps watched": len(seen.state) + len(own.state) + len(theirs.state),
        "error of a step": {name: round(float(value), 3) for name, value in zip(names, error, strict=True)},
        "growth by the day, R2": round(share, 3),
        "half light W/m2": growth.half_light,
        "reward lost at full, a step": [round(float(v), 4) for v in known.money.cost],
    }
    return replace(known, climate=climate), fit


def season(link: GreenLight, planner: Planner | None, year: int, days: int, start_day: int) -> dict[str, float]:
    """One episode; None: the benchmark's own rules. Returns what it counts, itemised."""
    answer = link.reset(year, days, start_day)
    state = read_state(answer, None)
    sums = dict.fromkeys(("return", "profit", "gains", "heat", "co2", "electricity", "penalty"), 0.0)
    by_limit, late_lamp = np.zeros(3), 0
    while not answer["done"]:
        answer = link.step(None if planner is None else planner.controls(state, answer))
        state = read_state(answer, state)
        info = answer["info"]
        sums["return"] += answer["reward"]
        for name, key in (("profit", "profit"), ("gains", "gains"), ("heat", "heat_cost"), ("co2", "co2_cost")):
            sums[name] += info[key]
        sums["electricity"] += info["elec_cost"]
        sums["penalty"] += info["penalty"]
        # Its labels of temperature and CO2 are swapped: the violations stand in the order CO2, temperature, humidity.
        by_limit += (info["temp_penalty"], info["co2_penalty"], info["rh_penalty"])
        sin, cos = answer["obs"]["TimeObservations"][2:]
        hour = float(np.arctan2(sin, cos) * 12.0 / np.pi % 24.0)
        late_lamp += hour >= 20.0 and info["controls"][LAMP] > 0.0
    row = {name: round(value, 3) for name, value in sums.items()}
    row |= {f"penalty {name}": round(float(v), 2) for name, v in zip(("co2", "air", "rh"), by_limit, strict=True)}
    row["lamp penalty it forgets"] = round(0.1 * late_lamp, 1)
    if planner is not None:
        row["ms_mean"] = round(float(np.mean(planner.times_ms)), 2)
        row["ms_p99"] = round(float(np.quantile(planner.times_ms, 0.99)), 2)
    return row


def run(python: Path, years: list[int], days: int, start_day: int, planners: bool = True) -> dict[str, Any]:
    """Both controllers in every year."""
    rows: dict[str, Any] = {}
    known = Knowledge.load(LEARNED) if planners else None
    with GreenLight(python) as link:
        for year in years:
            rows[f"{year} rules"] = season(link, None, year, days, start_day)
            print(year, "rules", json.dumps(rows[f"{year} rules"]), file=sys.stderr, flush=True)
            if known is not None:
                rows[f"{year} ours"] = season(link, Planner(known), year, days, start_day)
                print(year, "ours", json.dumps(rows[f"{year} ours"]), file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Learn, or compare and print a table."""
    parser = argparse.ArgumentParser(description=TITLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", type=Path, default=BUILD / "greenlight" / "bin" / "python", help="of its environment"
    )
    parser.add_argument("--learn", action="store_true", help=f"watch {LEARNED_FROM} and write {LEARNED.name}")
    parser.add_argument("--years", type=int, nargs="+", default=[2008, 2009, 2011, 2012])
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--start-day", type=int, default=START_DAY)
    parser.add_argument("--rules-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.learn:
        with GreenLight(args.python) as link:
            known, fit = learn(link)
        known.save(LEARNED)
        print(json.dumps(fit, indent=1))
        return
    rows = run(args.python, args.years, args.days, args.start_day, not args.rules_only)
    if args.json:
        print(json.dumps(rows))
        return
    print(f"{TITLE}, {args.days} days from day {args.start_day}")
    for name, row in rows.items():
        print(f"{name:<12}" + "  ".join(f"{key} {value:g}" for key, value in row.items()))


if __name__ == "__main__":
    main()
