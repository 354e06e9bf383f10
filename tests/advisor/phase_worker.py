"""The advisor's process with a tell-tale: it writes into its data folder which phase the model is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tomato_host.advisor.backends import local
from tomato_host.advisor.backends.chat import Backend, ReplyBuilder
from tomato_host.advisor.backends.process import ChildPipe
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.worker_process import serve


def phase_file(settings: AdvisorSettings) -> Path:
    """Beside the model, the one path that this process knows from its settings."""
    assert settings.model_path is not None
    return settings.model_path.with_suffix(".phase")


def tell_tale(settings: AdvisorSettings, _data_dir: Path | None) -> Backend:
    """The real local model, with its reply builder telling when the question is out and the first words are in."""
    path = phase_file(settings)

    class Telling(ReplyBuilder):
        def __init__(self, runtime: str) -> None:
            super().__init__(runtime)
            say(path, f"asked {model.worker_pid}")

        def add(self, chunk: Any, since_start_s: float) -> str:
            piece = super().add(chunk, since_start_s)
            if self.first_token_s is not None:
                say(path, f"generating {model.worker_pid}")
            return piece

    local.ReplyBuilder = Telling  # type: ignore[misc]
    model = local.LocalModel(settings)
    return model


def say(path: Path, text: str) -> None:
    """Whole or not at all; the test polls this file."""
    beside = path.with_suffix(".part")
    beside.write_text(text)
    os.replace(beside, path)


if __name__ == "__main__":
    serve(ChildPipe(), tell_tale)
