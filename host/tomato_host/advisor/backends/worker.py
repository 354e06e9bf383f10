"""The model's own process: loads GGUF files with xllamacpp and answers over its pipe. It has access to nothing else."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from typing import Any

from tomato_host.advisor.backends.process import ChildPipe

FORBIDDEN_EVENTS = (
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "subprocess.Popen",
    "os.exec",
    "os.system",
    "os.posix_spawn",
    "os.fork",
)
"""Python-level ways out that the worker closes for itself."""


def _forbid(event: str, _args: tuple[Any, ...]) -> None:
    if event in FORBIDDEN_EVENTS:
        raise PermissionError(f"the model worker may not use {event}")


def _lower_priority() -> None:
    if os.name == "posix":
        import resource

        os.nice(10)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _load(command: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = command["model_path"]
    if command.get("projector_path"):
        params.mmproj.path = command["projector_path"]
    params.n_ctx = command["context_tokens"]
    params.cpuparams.n_threads = command["threads"]
    params.cpuparams_batch.n_threads = command["threads"]
    params.image_max_tokens = command["image_tokens_max"]
    params.no_extra_bufts = command["memory_mode"] == "small"
    params.n_parallel = 1
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    # The library always opens a loopback listener: its key is random and unknown, and it serves no page.
    params.api_keys = [secrets.token_hex(32)]
    params.ui = False
    return xllamacpp.Server(params)


def _chat(pipe: ChildPipe, server: Any, command: dict[str, Any]) -> None:
    number = command["number"]

    def pass_on(chunk: Any) -> bool:
        pipe.send_line(json.dumps({"number": number, "chunk": chunk}))
        return pipe.has_command  # true ends the generation: the parent asks for something else, or says stop

    server.handle_chat_completions(command["body"], pass_on)
    pipe.send_line(json.dumps({"number": number, "end": True}))


def main() -> None:
    """Process `load`, `chat` and `stop` until the parent goes away."""
    pipe = ChildPipe()
    _lower_priority()
    server: Any = None
    while True:
        command = json.loads(pipe.next_command())
        try:
            if command["do"] == "load":
                started = time.monotonic()
                server = _load(command)
                sys.addaudithook(_forbid)
                pipe.send_line(json.dumps({"number": command["number"], "loaded_s": time.monotonic() - started}))
            elif command["do"] == "chat":
                _chat(pipe, server, command)
        except Exception as fault:
            pipe.send_line(json.dumps({"number": command["number"], "fault": f"{type(fault).__name__}: {fault}"[:300]}))


if __name__ == "__main__":
    main()
