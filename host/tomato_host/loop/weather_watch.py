"""Fetches the weather in a thread of its own and passes finished forecasts to the deciding loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from shared_schemas.records import Forecast36hV1
from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.weather.service import WeatherResult

POLL_EVERY_S = 900.0
"""The service itself asks a provider once per TTL at most; this is how soon a new run is noticed."""


class Service(Protocol):
    """A weather service, such as `weather.service.WeatherService`. `get` may take as long as the network takes."""

    def get(self, now: datetime) -> WeatherResult: ...


class WeatherWatch:
    """An extension of the deciding loop. The network never makes it wait."""

    def __init__(self, service: Service, brain: Brain, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._service = service
        self._brain = brain
        self._recorder = recorder
        self._now = now
        self._answers: queue.SimpleQueue[WeatherResult] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="weather", daemon=True)
        self._fetched: datetime | None = None
        self._stale: bool | None = None

    def start(self) -> None:
        """Begin polling."""
        self._thread.start()

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Nothing to do."""

    def tick(self, now: datetime) -> None:
        """Process the answers that have arrived."""
        while not self._answers.empty():
            self._on_answer(self._answers.get(), now)

    def stop(self) -> None:
        """Stop polling; a request under way ends by its own timeout."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._answers.put(self._service.get(self._now()))
            self._ended.wait(POLL_EVERY_S)

    def _on_answer(self, answer: WeatherResult, now: datetime) -> None:
        """Record a new forecast; losing the service and getting it back are one event each."""
        forecast = answer.forecast
        stale = forecast is None or forecast.stale
        if stale != self._stale:
            self._stale = stale
            name = "weather_lost" if stale else "weather_back"
            self._recorder.event(now, "WARNING" if stale else "INFO", "weather", name, answer.text)
        if forecast is not None and (forecast.fetched_ts != self._fetched or forecast.stale):
            self._record(forecast)

    def _record(self, forecast: Forecast36hV1) -> None:
        new = forecast.fetched_ts != self._fetched
        self._fetched = forecast.fetched_ts
        self._brain.add_weather(forecast)
        if new:
            self._recorder.record(forecast)
