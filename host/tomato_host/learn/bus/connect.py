"""The connection of the learning loop to Redis, and which group's depth counts for which stream."""

from __future__ import annotations

import os
from typing import Any

from tomato_host.learn.settings import LearnBusSettings
from tomato_host.service.bus.transport import parse_address, require_extra

PATIENCE_S = 5.0


def open_bus(settings: LearnBusSettings, patience_s: float = PATIENCE_S) -> Any:
    """A Redis client; it connects at its first use. Raises TomatoError E-EXTRA-REDIS without the extra [redis]."""
    address = parse_address(settings.url)
    require_extra(address)
    from tomato_host.service.bus.redis_transport import open_redis

    return open_redis(address, os.environ.get(settings.password_from), patience_s)


def groups_of(settings: LearnBusSettings) -> dict[str, str]:
    """By stream: the group that must keep up with it."""
    return {
        settings.state_stream: settings.policy_group,
        settings.command_stream: settings.trainer_group,
        settings.report_stream: settings.offline_group,
        settings.receipt_stream: settings.policy_group,
        settings.telemetry_stream: settings.observe_group,
        settings.update_stream: settings.policy_group,
    }
