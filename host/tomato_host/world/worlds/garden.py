"""A bench with pots as a world: agents move about, see what is near, and share a watering can.

Positions are metres on the bench, x to the right and y away from the front. A pot dries with every tick; who holds a
can and stands at a pot may water it. Two who want the same can in the same moment: the order of the quantum decides,
and the other is refused with INTENT_CONFLICT.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import dist
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Effect, Intent
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.world.document import MISSING, Document, WorldState, assign, escape, lookup
from tomato_host.world.validator import DefaultEffectValidator, Validated
from tomato_host.world.views import ObservationPolicy

WIDTH_M, DEPTH_M = 4.0, 2.0
STEP_M = 1.0
"""Longest single move."""
REACH_M = 0.5
"""An agent handles what is this near."""
DRYING_PCT_PER_H = 0.8
ML_PER_PCT = 40.0
"""Water that raises the moisture of a pot by one percent."""
MOST_ML = 200.0

GARDENER = ObservationPolicy(
    name="gardener",
    paths=("/pots", "/cans", "/agents"),
    near=("/pots", "/cans", "/agents"),
    distance_m=1.5,
    events=("*",),
)
"""Sees what is within 1.5 m."""


class GardenWorld:
    """The bench. Kinds of intent: `enter`, `move`, `take`, `put`, `water`; `tick` is an event of time."""

    def __init__(self, pots: int = 4, cans: int = 1) -> None:
        self._pots, self._cans = pots, cans
        self.validator = DefaultEffectValidator(
            {"enter": enter, "move": move, "take": take, "put": put, "water": water}
        )

    def initial(self, seed: int) -> Document:
        """Pots in a row, cans at the front, nobody there. The seed sets how moist each pot begins."""
        pots = {
            f"P{i + 1}": {
                "position": [0.5 + i * WIDTH_M / self._pots, 1.5],
                "moisture_pct": 20.0 + (seed * 7 + i * 5) % 20,
            }
            for i in range(self._pots)
        }
        cans = {f"C{i + 1}": {"position": [1.0 + i, 0.2], "held_by": None} for i in range(self._cans)}
        return {"pots": pots, "cans": cans, "agents": {}}

    def fold(self, document: Document, effect: Effect) -> Document:
        """Apply one effect; its payload says what the validator left."""
        source, payload, kind = effect["source"], effect["payload"], effect["kind"]
        if kind == "tick":
            return _dried(document, payload["hours"])
        if kind in ("enter", "move"):
            return _moved(document, source, payload["to"])
        if kind in ("take", "put"):
            return assign(document, f"/cans/{payload['can']}/held_by", source if kind == "take" else None)
        if kind == "water":
            at = f"/pots/{payload['pot']}/moisture_pct"
            return assign(document, at, round(min(100.0, lookup(document, at) + payload["ml"] / ML_PER_PCT), 3))
        return document

    def reads(self, intent: Intent) -> tuple[str, ...]:
        """What each kind of intent rests on."""
        payload, own = intent.get("payload", {}), f"/agents/{escape(intent['agent'])}"
        if intent["kind"] in ("take", "put"):
            return (f"/cans/{payload.get('can')}",)
        return (f"/pots/{payload.get('pot')}", own) if intent["kind"] == "water" else (own,)

    def amounts(self, intent: Intent) -> Mapping[str, float]:
        """Water counts against the day."""
        ml = intent.get("payload", {}).get("ml")
        return {"water_ml_per_day": float(ml)} if intent["kind"] == "water" and isinstance(ml, int | float) else {}

    def stops(self, intent: Intent) -> bool:
        """Putting a can down lets others have it: never shed."""
        return intent["kind"] == "put"


def enter(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """Come to the bench, once."""
    if lookup(state.document, f"/agents/{escape(agent.name)}") is not MISSING:
        return Refusal("INTENT_CONFLICT", f"{agent.name} is on the bench already")
    return Validated({"to": _on_bench(intent["payload"]["at"])})


def move(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """Move at most `STEP_M`; a longer way is clipped to its first part."""
    here = _position(state, agent)
    if here is None:
        return _absent(agent)
    there = _on_bench(intent["payload"]["to"])
    way_m = dist(here, there)
    if way_m <= STEP_M:
        return Validated({"to": there})
    part = [round(a + (b - a) * STEP_M / way_m, 6) for a, b in zip(here, there, strict=True)]
    return Validated({"to": part}, clipped=True, text=f"{STEP_M} m of {way_m:.2f} m")


def take(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """Take a can that is near and that nobody holds."""
    here, can = _position(state, agent), _member(state, "cans", intent["payload"]["can"])
    if here is None:
        return _absent(agent)
    if can["held_by"] is not None:
        return Refusal("INTENT_CONFLICT", f"{can['held_by']} holds the can")
    if (far_m := dist(here, can["position"])) > REACH_M:
        return Refusal("INTENT_CONFLICT", "the can is too far away, m", far_m, REACH_M)
    return Validated({"can": intent["payload"]["can"]})


def put(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """Put down a can that one holds oneself; where the agent stands it stays."""
    can = _member(state, "cans", intent["payload"]["can"])
    if can["held_by"] != agent.name:
        return Refusal("INTENT_CONFLICT", f"{agent.name} does not hold the can")
    return Validated({"can": intent["payload"]["can"]})


def water(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """Water a pot that is near, with a can in hand; more than a can holds is clipped."""
    payload, here = intent["payload"], _position(state, agent)
    pot, ml = _member(state, "pots", payload["pot"]), float(payload["ml"])
    if here is None:
        return _absent(agent)
    if all(can["held_by"] != agent.name for can in state.document["cans"].values()):
        return Refusal("INTENT_CONFLICT", f"{agent.name} holds no can")
    if (far_m := dist(here, pot["position"])) > REACH_M:
        return Refusal("INTENT_CONFLICT", "the pot is too far away, m", far_m, REACH_M)
    if ml <= 0.0:
        return Refusal("INTENT_CONFLICT", "that is no amount of water, ml", ml, MOST_ML)
    given = min(ml, MOST_ML)
    return Validated({"pot": payload["pot"], "ml": given}, given < ml, used={"water_ml_per_day": given})


def _moved(document: Document, agent: str, to: list[float]) -> Document:
    """The agent at its new place, with the can that it holds."""
    document = assign(document, f"/agents/{escape(agent)}/position", to)
    for name, can in document["cans"].items():
        if can["held_by"] == agent:
            document = assign(document, f"/cans/{name}/position", to)
    return document


def _dried(document: Document, hours: float) -> Document:
    lost = DRYING_PCT_PER_H * hours
    pots = {
        name: {**pot, "moisture_pct": round(max(0.0, pot["moisture_pct"] - lost), 3)}
        for name, pot in document["pots"].items()
    }
    return assign(document, "/pots", pots)


def _on_bench(at: Any) -> list[float]:
    """A place, moved onto the bench. Raises TypeError or ValueError for anything that is none."""
    x, y = (float(value) for value in at)
    return [min(max(x, 0.0), WIDTH_M), min(max(y, 0.0), DEPTH_M)]


def _position(state: WorldState, agent: AgentV1) -> list[float] | None:
    found = lookup(state.document, f"/agents/{escape(agent.name)}/position")
    return None if found is MISSING else found


def _member(state: WorldState, collection: str, name: str) -> dict[str, Any]:
    member: dict[str, Any] = state.document[collection][name]
    return member


def _absent(agent: AgentV1) -> Refusal:
    return Refusal("INTENT_CONFLICT", f"{agent.name} is not on the bench")
