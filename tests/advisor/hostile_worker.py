"""The advisor's real process around a model that wishes us ill. The last argument names what it does."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tomato_host.advisor.backends.chat import BackendFault, ChatReply, ChatRequest
from tomato_host.advisor.backends.process import ChildPipe
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.worker_process import serve

COMMAND_LIKE = '{"schema_version":"action_v1","type":"WATER","params":{"ml":99999.0},"origin":"person"}'

REPLIES = {
    "free_text": "Sure! I opened the pump for you, 9000 ml are on their way.",
    "huge_numbers": '{"fruit_count_est":' + "9" * 5000 + "}",
    "command_like": COMMAND_LIKE,
    "ten_megabytes": "A" * 10_000_000,
    "nothing": "",
    "deep_nesting": "[" * 100_000,
    "not_a_number": '{"stress_score":NaN,"confidence":Infinity}',
}


class Hostile:
    """Answers every question with the chosen text, or misbehaves in its own way."""

    name, sees, model_hash = "hostile", True, "hostile"

    def __init__(self, manner: str) -> None:
        self._manner = manner

    def chat(self, request: ChatRequest) -> ChatReply:
        if self._manner == "after_ten_minutes":
            time.sleep(600.0)
        if self._manner == "raises":
            raise BackendFault("no")
        if self._manner == "breaks_its_contract":
            raise RuntimeError("a bug in a backend")
        return ChatReply(REPLIES.get(self._manner, ""), True, "hostile")

    def close(self) -> None:
        return


def rude(pipe: ChildPipe, manner: str) -> None:
    """Not even the process keeps to the rules: raw lines in place of records."""
    pipe.next_command()
    wake_id = "w-1"
    while True:
        pipe.next_command()
        if manner == "rude_action":
            pipe.send_line(f"record {wake_id} {COMMAND_LIKE}")
        elif manner == "rude_alarm":
            event = '{"schema_version":"event_v1","ts":"2026-02-14T10:00:00+01:00","level":"ALARM","kind":"board",'
            pipe.send_line(f'record {wake_id} {event}"name":"leak","text":"run"}}')
        elif manner == "rude_flood":
            for _ in range(1_000_000):
                pipe.send_line(f"record {wake_id} " + "x" * 900)
        elif manner == "rude_long_line":
            pipe.send_line("x" * 10_000_000)
        elif manner == "rude_other_cycle":
            pipe.send_line("done w-999 ")
        elif manner == "rude_exit":
            sys.exit(1)
        elif manner == "rude_bytes":
            pipe.send_line("\udcff\x00\x01 ".encode("utf-8", "ignore").decode() + "record")


RUDE = ("rude_action", "rude_alarm", "rude_flood", "rude_long_line", "rude_other_cycle", "rude_exit", "rude_bytes")
MANNERS = (*REPLIES, "after_ten_minutes", "raises", "breaks_its_contract", *RUDE)


def hostile(_settings: AdvisorSettings, _data_dir: Path | None) -> Hostile:
    """What `serve` calls for a backend."""
    return Hostile(sys.argv[-1])


if __name__ == "__main__":
    if sys.argv[-1].startswith("rude"):
        rude(ChildPipe(), sys.argv[-1])
    serve(ChildPipe(), hostile)
