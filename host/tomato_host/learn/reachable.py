"""Whether Redis, Prometheus and Elasticsearch answer, as the settings name them."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from tomato_host.errors import TomatoError
from tomato_host.learn.requirements import Requirement
from tomato_host.learn.settings import LearnSettings

PATIENCE_S = 2.0
PROMETHEUS = "http://127.0.0.1:9090"


def check_reachable(settings: LearnSettings, prometheus: str = PROMETHEUS) -> list[Requirement]:
    """One line for each; only Redis is needed, and only where `[learn.bus]` is on."""
    return [_redis(settings), _http("prometheus", f"{prometheus}/-/ready", ""), _elasticsearch(settings)]


def _redis(settings: LearnSettings) -> Requirement:
    if not settings.bus.enabled:
        return Requirement("redis", False, False, "[learn.bus] is off")
    try:
        from tomato_host.learn.bus.connect import open_bus

        open_bus(settings.bus, PATIENCE_S).ping()
    except TomatoError as error:
        return Requirement("redis", True, False, f"{error.message} Next: {error.next_step}")
    except Exception as error:  # redis has a class for each way of being away
        return Requirement("redis", True, False, f"{settings.bus.url}: {type(error).__name__}")
    return Requirement("redis", True, True, f"{settings.bus.url} answers")


def _elasticsearch(settings: LearnSettings) -> Requirement:
    wanted = settings.observe
    if not wanted.elasticsearch:
        return Requirement("elasticsearch", False, False, "[learn.observe] elasticsearch is not set")
    return _http("elasticsearch", wanted.elasticsearch, os.environ.get(wanted.elasticsearch_key_from, ""))


def _http(name: str, url: str, key: str) -> Requirement:
    request = urllib.request.Request(url, headers={"Authorization": f"ApiKey {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S):
            return Requirement(name, False, True, f"{url} answers")
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Requirement(name, False, False, f"{url}: {error}"[:120])
