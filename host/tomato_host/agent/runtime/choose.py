"""From settings to a backend: the one place that knows all of them."""

from __future__ import annotations

import os

from tomato_host.agent.runtime.chat import Backend, NoBackend
from tomato_host.agent.settings import AgentSettings


def backend_for(settings: AgentSettings) -> Backend:
    """The configured backend; nothing is started yet. The endpoint's key comes from the environment."""
    if settings.backend == "local":
        from tomato_host.agent.runtime.local import LocalModel

        return LocalModel(settings)
    if settings.backend == "http":
        from tomato_host.agent.runtime.openai_http import HttpModel

        return HttpModel(settings, os.environ.get(settings.endpoint_key_env))
    return NoBackend()
