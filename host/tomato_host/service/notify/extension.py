"""Notifications as an extension of the deciding loop: records in, messages to the publishers out, without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared_schemas.records import Record
from tomato_host.brain.brain import StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.service.notify.deadman import DeadManSwitch
from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.publisher import NotificationPublisher, Send, addresses, apprise_sender, scheme
from tomato_host.service.notify.settings import NotifySettings

FAILED_AFTER = 3
"""Failed attempts in a row after which an event records that a service does not accept messages."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rule with the addresses it sends to."""

    filter: NotificationFilter
    publishers: tuple[NotificationPublisher, ...]


class Notifier:
    """An extension of the deciding loop."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        deadman: DeadManSwitch | None,
        recorder: Recorder,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = routes
        self._deadman = deadman
        self._recorder = recorder
        self._monotonic = monotonic
        self._publishers = list(dict.fromkeys(publisher for route in routes for publisher in route.publishers))
        self._failing: set[NotificationPublisher] = set()
        recorder.listeners.append(self.on_record)

    def start(self) -> None:
        """Start sending."""
        for publisher in self._publishers:
            publisher.start()
        if self._deadman is not None:
            self._deadman.start()

    def on_record(self, record: Record) -> None:
        """Filter one record and queue the messages that follow from it."""
        for notice in notices_of(record):
            for route in self._routes:
                _enqueue(route, route.filter.apply(notice, self._monotonic()))

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Send what was held back; request the heartbeat; record services that fail."""
        for route in self._routes:
            _enqueue(route, route.filter.due(self._monotonic()))
        if self._deadman is not None:
            self._deadman.beat()
        for publisher in self._publishers:
            self._record_health(publisher, now)

    def stop(self) -> None:
        """End after one more try for what waits; the stop of the board's outputs takes longer than that."""
        for publisher in self._publishers:
            publisher.stop()
        if self._deadman is not None:
            self._deadman.stop()

    def _record_health(self, publisher: NotificationPublisher, now: datetime) -> None:
        """Losing a service and getting it back are recorded once each."""
        if publisher.failures >= FAILED_AFTER and publisher not in self._failing:
            self._failing.add(publisher)
            self._recorder.event(
                now,
                "WARNING",
                "notification",
                "notify_failed",
                f"{publisher.name} does not accept messages; trying again.",
                dropped=publisher.dropped,
            )
        elif publisher in self._failing and publisher.failures == 0:
            self._failing.discard(publisher)
            self._recorder.event(
                now,
                "INFO",
                "notification",
                "notify_back",
                f"{publisher.name} accepts messages again.",
                dropped=publisher.dropped,
            )


def _enqueue(route: Route, messages: list[Notification]) -> None:
    for message in messages:
        for publisher in route.publishers:
            publisher.enqueue(message)


def publishers_for(
    settings: NotifySettings,
    data_dir: Path,
    environment: Mapping[str, str],
    sender: Callable[[str, Path], Send] = apprise_sender,
) -> list[tuple[NotificationPublisher, ...]]:
    """Per rule its publishers; an address named by two rules has one. Raises TomatoError E-NOTIFY-*, E-EXTRA-NOTIFY."""
    by_url: dict[str, NotificationPublisher] = {}
    out = []
    for rule in settings.rules:
        urls = addresses(rule.urls_from, environment)
        for url in urls:
            if url not in by_url:
                by_url[url] = NotificationPublisher(f"{scheme(url)} no. {len(by_url) + 1}", sender(url, data_dir))
        out.append(tuple(by_url[url] for url in dict.fromkeys(urls)))
    return out


def build_notifier(
    settings: NotifySettings, recorder: Recorder, data_dir: Path, environment: Mapping[str, str], node: str = ""
) -> Notifier:
    """The extension that the settings describe; `node` is the installation's name.

    Raises TomatoError E-NOTIFY-NO-URL, E-NOTIFY-URL, E-EXTRA-NOTIFY.
    """
    publishers = publishers_for(settings, data_dir, environment)
    routes = tuple(
        Route(NotificationFilter(rule, settings.most_per_hour, settings.tent or node), found)
        for rule, found in zip(settings.rules, publishers, strict=True)
    )
    url = environment.get(settings.deadman_url_from, "").strip()
    return Notifier(routes, DeadManSwitch(url, settings.deadman_every_s) if url else None, recorder)
