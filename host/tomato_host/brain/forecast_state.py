"""What the brain expects: feeds the world model with what was seen and done, asks it, and lets it learn every night."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared_schemas.devices import GAS
from shared_schemas.records import ActionV1, Forecast36hV1, PlanV1, Prediction36hV1, StateV1
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.brain.world_model.data import ModelShape, tent_quantities
from tomato_host.brain.world_model.hourly_history import HourlyHistory, known_ahead
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.promotion import ModelPair
from tomato_host.brain.world_model.settings import WorldModelSettings

NIGHTLY = timedelta(minutes=10)
"""The day is learned at 00:10 local time."""


class ForecastState:
    """The world model with its diary. Deterministic: everything comes in through the `note_*` calls."""

    def __init__(self, settings: WorldModelSettings, zone: ZoneInfo, probes: tuple[str, ...]) -> None:
        self.model_pair = ModelPair(WorldModel(ModelShape(quantities=tent_quantities(probes)), settings))
        self.nights = 0
        """Nights learned since the start."""
        self.history = HourlyHistory(settings)
        self._zone = zone
        self._learned_on: date | None = None

    @property
    def model(self) -> WorldModel:
        """The model that speaks."""
        return self.model_pair.active

    def add_state(self, state: StateV1) -> None:
        """A state was estimated."""
        self.history.add_state(state)

    def add_outcome(self, action: ActionV1) -> None:
        """An action has ended: what was really delivered explains what the soil and the air do next."""
        outcome = action.outcome
        output = OUTPUT_OF.get(action.type)
        if outcome is None or output is None:
            return
        when = outcome.finished_ts or action.ts
        if outcome.delivered_ml:
            self.history.add_water(when, outcome.delivered_ml)
        elif output == GAS.name and outcome.delivered_s:
            self.history.add_on_time(output, when, outcome.delivered_s)

    def add_weather(self, weather: Forecast36hV1) -> None:
        """A forecast has arrived; its first hours later stand for what the weather was."""
        self.history.add_weather(weather)

    def night_is_due(self, now: datetime) -> bool:
        """True once per local day, from 00:10 on; the first day of a run has nothing to learn yet.

        A clock set back over 00:10 does not make a second night of one; one set back by days begins a new count.
        """
        today = (now.astimezone(self._zone) - NIGHTLY).date()
        last = self._learned_on
        if last is not None and timedelta(0) <= last - today <= timedelta(days=1):
            return False
        self._learned_on = today
        return last is not None and today > last

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: the hours that were seen lie as far back as they do."""
        self.history.shift(round(moved / timedelta(hours=1)))

    def learn(self, now: datetime) -> None:
        """Learn the last 24 hours."""
        log = self.history.log(now)
        if log.hours > 1:
            self.model_pair.learn(log)
            self.nights += 1

    def adopt(self, model: WorldModel) -> bool:
        """Let a stored model speak, if it forecasts the same quantities from the same plan; says whether it does."""
        if model.shape != self.model.shape:
            return False
        self.model_pair = ModelPair(model)
        return True

    def predict(self, now: datetime, weather: Forecast36hV1 | None, plan: PlanV1 | None) -> Prediction36hV1 | None:
        """The next 36 h under the plan in force; None until a whole hour has been seen."""
        log = self.history.log(now)
        if log.hours < 1 or not log.has("air_temp_c"):
            return None
        age_min = max(0.0, (now - weather.fetched_ts) / timedelta(minutes=1)) if weather is not None else None
        local = now.astimezone(self._zone)
        return self.model_pair.predict(local, log, known_ahead(weather, plan.steps if plan else (), now), age_min)


class WithoutForecasts(ForecastState):
    """Learns nothing and forecasts nothing: for a controller without foresight, where nobody reads a forecast."""

    def add_state(self, state: StateV1) -> None:
        """Passed over."""

    def add_outcome(self, action: ActionV1) -> None:
        """Passed over."""

    def add_weather(self, weather: Forecast36hV1) -> None:
        """Passed over."""

    def learn(self, now: datetime) -> None:
        """Passed over."""

    def predict(self, now: datetime, weather: Forecast36hV1 | None, plan: PlanV1 | None) -> None:
        """None: nothing is known."""
