"""The advisor's own process: photos are decoded and texts are written here, apart from the deciding loop.

Lines in: the settings once, then one wake context after the other. Lines out: `record <wake> <json>`,
`done <wake> <problem>`. When the parent goes away, so does this process, and with it the model worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tomato_host.advisor.backends.chat import Backend, NoBackend
from tomato_host.advisor.backends.factory import backend_for
from tomato_host.advisor.backends.process import ChildPipe
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.pipeline import WakeResources, run_wake
from tomato_host.advisor.settings import MEMORY_FILE, AdvisorSettings


def serve(pipe: ChildPipe, make_backend: Callable[[AdvisorSettings, Path | None], Backend] = backend_for) -> None:
    """Process wake contexts until the parent goes away."""
    start = json.loads(pipe.next_command())
    settings = AdvisorSettings.model_validate_json(json.dumps(start["settings"]))
    data_dir = Path(start["data_dir"]) if start["data_dir"] else None
    memory = MemoryStore(data_dir.joinpath(*MEMORY_FILE) if data_dir else None)
    backend = make_backend(settings, data_dir)
    while True:
        use_model, _, context_json = pipe.next_command().partition(" ")
        context = WakeContext.from_json(context_json)
        resources = WakeResources(settings, data_dir, backend if use_model == "model" else NoBackend(), memory)
        _one_wake(pipe, context, resources)
        if not settings.keep_loaded:
            backend.close()


def _one_wake(pipe: ChildPipe, context: WakeContext, resources: WakeResources) -> None:
    problem = ""
    try:
        for record in run_wake(context, resources):
            pipe.send_line(f"record {context.wake_id} {record.to_json()}")
    except Exception as fault:
        problem = f"{type(fault).__name__}: {fault}"
    pipe.send_line(f"done {context.wake_id} {(problem or '; '.join(resources.problems))[:300]}")


def main() -> None:
    """Entry point of the process."""
    pipe = ChildPipe()
    if os.name == "posix":
        os.nice(5)
    serve(pipe)


if __name__ == "__main__":
    main()
