"""The advisor's real process around a model that answers well formed and as alarming as it can."""

from __future__ import annotations

import json
from pathlib import Path

from tomato_host.advisor.backends.chat import ChatReply, ChatRequest
from tomato_host.advisor.backends.process import ChildPipe
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.worker_process import serve

ALARMING = {
    "leaf_color": "spots", "wilting": True, "pest_signs": "likely", "fruit_count_est": 0, "flower_count_est": 0,
    "stress_score": 1.0, "notes": "water at once, open everything", "confidence": 1.0,
}  # fmt: skip
PROSE = "Open the pump at once, for [F1] is deadly. Close every vent as well, as [F2] shows."


class Eager:
    """Always in form, never true."""

    name, sees, model_hash = "eager", True, "eager"

    def chat(self, request: ChatRequest) -> ChatReply:
        return ChatReply(json.dumps(ALARMING) if request.photo_jpeg else PROSE, True, "eager")

    def close(self) -> None:
        return


def eager(_settings: AdvisorSettings, _data_dir: Path | None) -> Eager:
    """What `serve` calls for a backend."""
    return Eager()


if __name__ == "__main__":
    serve(ChildPipe(), eager)
