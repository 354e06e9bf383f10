"""From settings to a backend: the one place that knows all of them."""

from __future__ import annotations

import os
from pathlib import Path

from tomato_host.advisor.backends.chat import Backend, NoBackend
from tomato_host.advisor.settings import AdvisorSettings

HASH_CACHE = "model_hashes.json"


def backend_for(settings: AdvisorSettings, data_dir: Path | None = None) -> Backend:
    """The configured backend; nothing is started yet. The endpoint's key comes from the environment."""
    if settings.backend == "local":
        from tomato_host.advisor.backends.local import LocalModel

        return LocalModel(settings, data_dir / "private" / HASH_CACHE if data_dir else None)
    if settings.backend == "http":
        from tomato_host.advisor.backends.openai_http import HttpModel

        return HttpModel(settings, os.environ.get(settings.endpoint_key_env))
    return NoBackend()
