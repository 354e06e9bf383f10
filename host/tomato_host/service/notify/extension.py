"""Hangs notifications on the deciding loop: records in, messages to the couriers out, nothing waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared_schemas.records import Record
from tomato_host.brain.brain import StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.service.notify.deadman import DeadMan
from tomato_host.service.notify.gate import Gate, Message
from tomato_host.service.notify.notice import notice_of
from tomato_host.service.notify.publisher import Courier, Send, addresses, apprise_sender, scheme
from tomato_host.service.notify.settings import NotifySettings

FAILED_AFTER = 3
"""Tries in a row after which the dataset says that a service does not take messages."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rule with the addresses it tells."""

    gate: Gate
    couriers: tuple[Courier, ...]


class Notifier:
    """An extension of the deciding loop."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        deadman: DeadMan | None,
        recorder: Recorder,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = routes
        self._deadman = deadman
        self._log = recorder
        self._monotonic = monotonic
        self._couriers = list(dict.fromkeys(courier for route in routes for courier in route.couriers))
        self._failing: set[Courier] = set()
        recorder.listeners.append(self.hear)

    def start(self) -> None:
        """Begin to carry messages."""
        for courier in self._couriers:
            courier.start()
        if self._deadman is not None:
            self._deadman.start()

    def hear(self, record: Record) -> None:
        """Every record that is kept passes here."""
        notice = notice_of(record)
        if notice is not None:
            for route in self._routes:
                _carry(route, route.gate.hear(notice, self._monotonic()))

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Tell what was held back; give the sign of life; note services that fail."""
        for route in self._routes:
            _carry(route, route.gate.due(self._monotonic()))
        if self._deadman is not None:
            self._deadman.alive()
        for courier in self._couriers:
            self._note_health(courier, now)

    def stop(self) -> None:
        """End after one more try for what waits; the board's own goodbye gives it the time."""
        for courier in self._couriers:
            courier.stop()
        if self._deadman is not None:
            self._deadman.stop()

    def _note_health(self, courier: Courier, now: datetime) -> None:
        """Losing a service and getting it back are recorded once each."""
        if courier.failures >= FAILED_AFTER and courier not in self._failing:
            self._failing.add(courier)
            self._log.event(
                now,
                "WARNING",
                "notification",
                "notify_failed",
                f"{courier.name} does not take messages; trying on.",
                dropped=courier.dropped,
            )
        elif courier in self._failing and courier.failures == 0:
            self._failing.discard(courier)
            self._log.event(
                now,
                "INFO",
                "notification",
                "notify_back",
                f"{courier.name} takes messages again.",
                dropped=courier.dropped,
            )


def _carry(route: Route, messages: list[Message]) -> None:
    for message in messages:
        for courier in route.couriers:
            courier.take(message)


def couriers_for(
    settings: NotifySettings,
    data_dir: Path,
    environment: Mapping[str, str],
    sender: Callable[[str, Path], Send] = apprise_sender,
) -> list[tuple[Courier, ...]]:
    """Per rule its couriers; an address named by two rules has one. Raises TomatoError E-NOTIFY-*, E-EXTRA-NOTIFY."""
    by_url: dict[str, Courier] = {}
    out = []
    for rule in settings.rules:
        urls = addresses(rule.urls_from, environment)
        for url in urls:
            if url not in by_url:
                by_url[url] = Courier(f"{scheme(url)} no. {len(by_url) + 1}", sender(url, data_dir))
        out.append(tuple(by_url[url] for url in dict.fromkeys(urls)))
    return out


def build_notifier(
    settings: NotifySettings, recorder: Recorder, data_dir: Path, environment: Mapping[str, str]
) -> Notifier:
    """The extension as the settings want it. Raises TomatoError E-NOTIFY-NO-URL, E-NOTIFY-URL, E-EXTRA-NOTIFY."""
    couriers = couriers_for(settings, data_dir, environment)
    routes = tuple(
        Route(Gate(rule, settings.most_per_hour), found) for rule, found in zip(settings.rules, couriers, strict=True)
    )
    url = environment.get(settings.deadman_url_from, "").strip()
    return Notifier(routes, DeadMan(url, settings.deadman_every_s) if url else None, recorder)
