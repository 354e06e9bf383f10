"""The garden as environments: PettingZoo parallel for several agents, Gymnasium for one; extra `[world]`.

Every action is an intent: it passes admission and validator as anybody's does, and may be refused or clipped there. An
observation is the agent's own view, cut to numbers: what its policy hides is absent here, too.
"""

from __future__ import annotations

from typing import Any

try:
    import gymnasium
    from gymnasium import spaces
    from pettingzoo import ParallelEnv
except ImportError as error:
    from tomato_host.errors import TomatoError

    raise TomatoError("E-EXTRA-WORLD", "gymnasium or pettingzoo is missing.", "pip install '.[world]'") from error

import numpy as np
from numpy.typing import NDArray

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import EffectDraft, Intent, Payload
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.errors import IntentRefused
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator, WorldSettings
from tomato_host.world.rl_facade import RLFacade
from tomato_host.world.worlds.garden import DEPTH_M, GARDENER, WIDTH_M, GardenWorld

POTS, CANS = 4, 2
STEP_HOURS = 1.0
FIELDS = 2 + 1 + 2 * POTS
"""Own position, whether a can is held, then for each pot: seen, and its moisture as a share."""
KINDS = ("wait", "left", "right", "back", "front", "take", "put", "water")
STEPS = {"left": (-0.5, 0.0), "right": (0.5, 0.0), "back": (0.0, 0.5), "front": (0.0, -0.5)}
DRY_PCT = 10.0
Observation = NDArray[np.float32]


class GardenParallelEnv(ParallelEnv):  # type: ignore[misc]  # pettingzoo has no types
    """Gardeners who share the cans. Reward of each: how many pots are not dry, less the water it has used in vain."""

    metadata = {"name": "tomato_garden_v1", "render_modes": []}

    def __init__(self, gardeners: int = 2, steps: int = 100) -> None:
        self.possible_agents = [f"gardener_{i}" for i in range(gardeners)]
        self.agents: list[str] = []
        self.observation_spaces = {name: _observation_space() for name in self.possible_agents}
        self.action_spaces = {name: spaces.Discrete(len(KINDS)) for name in self.possible_agents}
        self.render_mode = None
        self._steps = steps
        self._random = np.random.default_rng(0)
        self._begin(0)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of one agent's observations, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of one agent's actions, the same object each time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Another bench; the same for the same seed."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self._begin(int(self._random.integers(0, 2**31)))
        self.agents = list(self.possible_agents)
        return self._observations(), {name: {} for name in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
        """One hour: everybody's intent in one quantum after the other's name, then the pots dry."""
        infos = {name: self._act(name, KINDS[int(actions[name])]) for name in self.agents}
        self._now_s += STEP_HOURS * 3_600.0
        self._number += 1
        tick: EffectDraft = {
            "schema_version": "effect_draft_v1",
            "source": "time",
            "kind": "tick",
            "payload": {"hours": STEP_HOURS},
            "sim_time_s": self._now_s,
        }
        self.host.broadcast_event(tick)
        moist = sum(pot["moisture_pct"] > DRY_PCT for pot in self.host.state.document["pots"].values()) / POTS
        rewards = {name: moist - 0.1 * (infos[name].get("refused") is not None) for name in self.agents}
        over = self._number >= self._steps
        result = (
            self._observations(),
            rewards,
            dict.fromkeys(self.agents, False),
            dict.fromkeys(self.agents, over),
            infos,
        )
        if over:
            self.agents = []
        return result

    def render(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing is open."""

    def _begin(self, seed: int) -> None:
        self._now_s, self._number = 0.0, 0
        world = GardenWorld(POTS, CANS)
        log = ChainedLog("garden")
        self.host = Orchestrator(
            "garden", world, log, lambda: self._now_s, WorldSettings(seed=seed), stopwatch=lambda: 0.0
        )
        self.facade = RLFacade(self.host, stopwatch=lambda: 0.0)
        for i, name in enumerate(self.possible_agents):
            record = AgentV1(
                schema_version="agent_v1", ts=NEVER, name=name, tent="garden", origin="policy", policy=GARDENER.name
            )
            self.host.register_agent(record, GARDENER)
            self._submit(name, "enter", {"at": [0.5 + i, 0.5]}, f"{name}-enter")

    def _act(self, name: str, kind: str) -> dict[str, Any]:
        """One action as an intent; the refusal, if there is one, stands in the info."""
        payload = self._payload(name, kind)
        if payload is None:
            return {}
        asked = "move" if kind in STEPS else kind
        return self._submit(name, asked, payload, f"{name}-{self._number}")

    def _submit(self, name: str, kind: str, payload: Payload, intent_id: str) -> dict[str, Any]:
        intent: Intent = {
            "schema_version": "intent_v1",
            "id": intent_id,
            "agent": name,
            "kind": kind,
            "payload": payload,
        }
        try:
            self.facade.step(name, intent)
        except IntentRefused as refused:
            return {"refused": refused.answer.code, "why": refused.answer.text}
        return {}

    def _payload(self, name: str, kind: str) -> Payload | None:
        """The parameters of an action, from what the agent sees; None: nothing to do it with."""
        seen = self.facade.observe(name).document
        here = seen["agents"][name]["position"]
        if kind in STEPS:
            return {"to": [a + b for a, b in zip(here, STEPS[kind], strict=True)]}
        if kind in ("take", "put"):
            free = kind == "take"
            cans = [can for can, row in seen.get("cans", {}).items() if (row["held_by"] is None) is free]
            return {"can": cans[0]} if cans else None
        pots = seen.get("pots", {})
        nearest = min(pots, key=lambda pot: abs(pots[pot]["position"][0] - here[0]), default=None)
        return {"pot": nearest, "ml": 100.0} if kind == "water" and nearest is not None else None

    def _observations(self) -> dict[str, Observation]:
        return {name: self._observation(name) for name in self.agents}

    def _observation(self, name: str) -> Observation:
        seen = self.facade.observe(name).document
        x_m, y_m = seen["agents"][name]["position"]
        held = any(can["held_by"] == name for can in seen.get("cans", {}).values())
        pots = seen.get("pots", {})
        values = [x_m / WIDTH_M, y_m / DEPTH_M, float(held)]
        for i in range(POTS):
            pot = pots.get(f"P{i + 1}")
            values += [0.0, 0.0] if pot is None else [1.0, pot["moisture_pct"] / 100.0]
        return np.array(values, np.float32)


class GardenEnv(gymnasium.Env[Observation, int]):
    """The same garden for a single gardener, as Gymnasium has it."""

    metadata = {"render_modes": []}

    def __init__(self, steps: int = 100) -> None:
        self._garden = GardenParallelEnv(1, steps)
        (self._name,) = self._garden.possible_agents
        self.observation_space: spaces.Space[Observation] = _observation_space()
        self.action_space = spaces.Discrete(len(KINDS))  # type: ignore[assignment]  # numpy's integer is an int

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Another bench; the same for the same seed."""
        super().reset(seed=seed)
        observations, infos = self._garden.reset(seed=int(self.np_random.integers(0, 2**31)))
        return observations[self._name], infos[self._name]

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One hour on the bench."""
        seen, rewards, ended, cut, infos = self._garden.step({self._name: int(action)})
        name = self._name
        return seen[name], float(rewards[name]), ended[name], cut[name], infos[name]


def _observation_space() -> spaces.Space[Any]:
    return spaces.Box(0.0, 1.0, (FIELDS,), np.float32)
