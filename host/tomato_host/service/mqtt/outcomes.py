"""From a command's acceptance to its end: the answers that follow the first one. Pure.

A press is answered at once with the guardrails' verdict. What became of it - delivered, aborted, cancelled - comes
minutes later as the same action with an outcome; it is then answered once more, with `phase` "outcome".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

Json = dict[str, Any]
MOST_OPEN = 50


class OpenCommands:
    """The accepted commands whose end is not known yet, by the action's id; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()

    def add(self, action_id: str, name: str) -> None:
        """A command's action was accepted."""
        self._names[action_id] = name
        while len(self._names) > MOST_OPEN:
            self._names.popitem(last=False)

    def finished(self, record: Json) -> tuple[str, bool, str] | None:
        """Name, success and text of a command that this action_v1 ends; None for every other record."""
        outcome = record.get("outcome")
        if outcome is None or record.get("id") not in self._names:
            return None
        name = self._names.pop(record["id"])
        ok = outcome["status"] == "DONE"
        return name, ok, outcome_text(outcome)


def outcome_text(outcome: Json) -> str:
    """What came of an action in a few words, with its unit and the reason of an early end."""
    words = [str(outcome["status"]).lower()]
    if outcome.get("delivered_ml") is not None:
        words.append(f"{outcome['delivered_ml']:.0f} ml delivered")
    elif outcome.get("delivered_s") is not None:
        words.append(f"{outcome['delivered_s']:.0f} s on")
    if outcome.get("reason") not in (None, "", "none"):
        words.append(str(outcome["reason"]))
    return ", ".join(words)
