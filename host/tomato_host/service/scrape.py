"""The page that Prometheus reads. Loaded at the first scrape: who scrapes nothing need not hold the client's 2 MB."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from tomato_host.service.metrics import PlantCollector
from tomato_host.service.present import Present


def page(present: Present) -> tuple[bytes, str]:
    """The metrics of this moment, and their content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(present))
    return generate_latest(registry), CONTENT_TYPE_LATEST
