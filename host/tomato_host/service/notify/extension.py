"""Notifications as an extension of the deciding loop: records in, messages to the publishers out, without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shared_schemas.records import EventV1, Record
from tomato_host.brain.step_data import StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.service.notify.acknowledge_links import LINK_PATH, AcknowledgeLinks
from tomato_host.service.notify.deadman import DeadManSwitch
from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.publisher import NotificationPublisher, Send, addresses, apprise_sender, scheme
from tomato_host.service.notify.quiet_hours import QuietHours, quiet_hours
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.service.notify.web_push import push_sender

ACKNOWLEDGED = "person_acknowledge_message"
"""The event that a request of this kind leaves (loop/request_handler.py); its data name the cause."""
FAILED_AFTER = 3
"""Failed attempts in a row after which an event records that a service does not accept messages."""


NO_CONTACT = "mailto:owner@tomato.invalid"
"""What a push service is told about whom to ask, where `[notify] link` names no page."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rule with the addresses it sends to."""

    filter: NotificationFilter
    publishers: tuple[NotificationPublisher, ...]


class MessageLinks:
    """Adds to a message about something that lasts the link that acknowledges it."""

    def __init__(self, links: AcknowledgeLinks, page: str) -> None:
        """`page` is the dashboard's address as the reader reaches it, without a slash at its end."""
        self._links = links
        self._page = page

    def add_to(self, message: Notification, now: datetime) -> Notification:
        """The message with a link of its own, where it is about something that can be acknowledged."""
        secret = self._links.issue(message.cause, message.text, now) if message.cause else None
        if secret is None:
            return message
        return replace(message, text=f"{message.text}\n\nAcknowledge: {self._page}{LINK_PATH}{secret}")


class Notifier:
    """An extension of the deciding loop."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        deadman: DeadManSwitch | None,
        recorder: Recorder,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        quiet: QuietHours | None = None,
        links: MessageLinks | None = None,
    ) -> None:
        self._quiet = quiet
        self._links = links
        self._now: datetime | None = None
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
        if isinstance(record, EventV1) and record.name == ACKNOWLEDGED:
            self._acknowledge(str(record.data.get("cause") or ""))
        notices = notices_of(record)
        if not notices:
            return
        now = self._now or record.ts
        for notice in notices:
            for route in self._routes:
                self._enqueue(route, route.filter.apply(notice, self._monotonic(), quiet=self._is_quiet(now)), now)

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Send what was held back; request the heartbeat; record services that fail."""
        self._now = now
        for route in self._routes:
            self._enqueue(route, route.filter.due(self._monotonic(), quiet=self._is_quiet(now)), now)
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

    def _is_quiet(self, now: datetime) -> bool:
        return self._quiet is not None and self._quiet.cover(now)

    def _acknowledge(self, cause: str) -> None:
        for route in self._routes:
            route.filter.acknowledge(cause, self._monotonic())

    def _enqueue(self, route: Route, messages: list[Notification], now: datetime) -> None:
        for message in messages:
            linked = self._links.add_to(message, now) if self._links is not None else message
            for publisher in route.publishers:
                publisher.enqueue(linked)

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


def publishers_for(
    settings: NotifySettings,
    data_dir: Path,
    environment: Mapping[str, str],
    sender: Callable[[str, Path], Send] = apprise_sender,
) -> list[tuple[NotificationPublisher, ...]]:
    """Per rule its publishers; an address named by two rules has one. Raises TomatoError E-NOTIFY-*, E-EXTRA-*."""
    by_url: dict[str, NotificationPublisher] = {}
    out = []
    for rule in settings.rules:
        # With devices that subscribe, a rule needs no other address.
        has_none = settings.push and not environment.get(rule.urls_from, "").strip()
        urls = [] if has_none else addresses(rule.urls_from, environment)
        for url in urls:
            if url not in by_url:
                by_url[url] = NotificationPublisher(f"{scheme(url)} no. {len(by_url) + 1}", sender(url, data_dir))
        out.append(tuple(by_url[url] for url in dict.fromkeys(urls)))
    if settings.push:
        devices = NotificationPublisher("web push", push_sender(data_dir, settings.link or NO_CONTACT))
        out = [(*found, devices) for found in out]
    return out


def build_notifier(
    settings: NotifySettings,
    recorder: Recorder,
    data_dir: Path,
    environment: Mapping[str, str],
    node: str = "",
    zone: str = "UTC",
) -> Notifier:
    """The extension that the settings describe; `node` is the installation's name, `zone` that of its quiet hours.

    Raises TomatoError E-NOTIFY-NO-URL, E-NOTIFY-URL, E-EXTRA-NOTIFY.
    """
    publishers = publishers_for(settings, data_dir, environment)
    held_s = settings.acknowledged_h * 3_600.0
    routes = tuple(
        Route(NotificationFilter(rule, settings.most_per_hour, settings.tent or node, held_s), found)
        for rule, found in zip(settings.rules, publishers, strict=True)
    )
    url = environment.get(settings.deadman_url_from, "").strip()
    return Notifier(
        routes,
        DeadManSwitch(url, settings.deadman_every_s) if url else None,
        recorder,
        quiet=quiet_hours(settings.quiet_from, settings.quiet_to, zone),
        links=MessageLinks(AcknowledgeLinks(data_dir), settings.link) if settings.link else None,
    )
