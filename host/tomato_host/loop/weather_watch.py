"""Fetches the weather in a thread of its own and hands finished forecasts to the deciding loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from shared_schemas.records import Forecast36hV1
from tomato_host.brain.brain import Brain, StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.weather.service import WeatherResult

ASK_EVERY_S = 900.0
"""The service itself asks a provider once per TTL at most; this is how soon a new run is noticed."""


class Service(Protocol):
    """What is asked; `weather.service.WeatherService` is one. May take as long as the network takes."""

    def get(self, now: datetime) -> WeatherResult: ...


class WeatherWatch:
    """An extension of the deciding loop. The network never makes it wait."""

    def __init__(self, service: Service, brain: Brain, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._service = service
        self._brain = brain
        self._log = recorder
        self._now = now
        self._answers: queue.SimpleQueue[WeatherResult] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="weather", daemon=True)
        self._fetched: datetime | None = None
        self._stale: bool | None = None

    def start(self) -> None:
        """Begin asking."""
        self._thread.start()

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Decisions do not concern the weather."""

    def tick(self, now: datetime) -> None:
        """Take over what has arrived."""
        while not self._answers.empty():
            self._take(self._answers.get(), now)

    def stop(self) -> None:
        """Ask no more; a request under way ends by its own timeout."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._answers.put(self._service.get(self._now()))
            self._ended.wait(ASK_EVERY_S)

    def _take(self, answer: WeatherResult, now: datetime) -> None:
        """A new forecast is kept; losing the service and getting it back are told once each."""
        forecast = answer.forecast
        stale = forecast is None or forecast.stale
        if stale != self._stale:
            self._stale = stale
            name = "weather_lost" if stale else "weather_back"
            self._log.event(now, "WARNING" if stale else "INFO", "weather", name, answer.text)
        if forecast is not None and (forecast.fetched_ts != self._fetched or forecast.stale):
            self._keep(forecast)

    def _keep(self, forecast: Forecast36hV1) -> None:
        new = forecast.fetched_ts != self._fetched
        self._fetched = forecast.fetched_ts
        self._brain.add_weather(forecast)
        if new:
            self._log.record(forecast)
