"""Outputs that others have taken from the controller: when their hold ends, a decision is due at once.

Somebody who lights the lamp for a minute takes the output from the plan. The plan's own hold is gone then, and the next
decision of the cycle may be two hours away: a minute of light would cost an hour of it. So the end of such a hold is an
event that asks for a decision, as is a change of mode (pause, safe mode), which `decision_triggers` knows.

Rejected: to put the old hold back as it was. It rests on a state of before, and what it was for may have passed; a
decision weighs anew, costs 0.1 s, and asks for the same where nothing has changed.
"""

from __future__ import annotations

from datetime import datetime

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.guardrails.ledger import Ledger
from tomato_host.brain.guardrails.profiles import OWN_ORIGINS

OWN = tuple(f"{origin}/" for origin in sorted(OWN_ORIGINS))
"""How the ledger's keys of the brain's own actions begin."""


class ForeignHolds:
    """Follows the holds of others in the ledger. Doses are left out: the plan holds no output for them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._outputs: dict[str, None] = {}

    def add(self, verdict: Verdict) -> None:
        """An action of somebody else was judged."""
        output = OUTPUT_OF.get(verdict.action.type)
        if verdict.allowed and not verdict.repeated and output and OUTPUT_BY_NAME[output].kind != "pump":
            self._outputs[output] = None

    def pop_ended(self, now: datetime) -> tuple[str, ...]:
        """Outputs whose foreign hold has ended since the last call, in the order in which they were taken."""
        if not self._outputs:
            return ()
        ended = tuple(output for output in self._outputs if self._is_free(output, now))
        for output in ended:
            del self._outputs[output]
        return ended

    def _is_free(self, output: str, now: datetime) -> bool:
        """Nobody holds it, or the brain itself does again."""
        held = self._ledger.hold(output, now.timestamp())
        return held is None or held.key.startswith(OWN)
