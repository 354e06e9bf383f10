"""What if: the answer that an intent would get and the document it would lead to, on a copy; nothing happens.

The stages of admission that ask (quarantine, permission, staleness, quota, cooldown) and the validator are pure, so the
sandbox calls the same ones on the same account; what it leaves out is everything that changes something: the queue,
the reservation, the log and the answer's place in the table.
"""

from __future__ import annotations

from typing import Any

from shared_schemas.world.messages import Intent
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.world.delta import delta
from tomato_host.world.orchestrator import Orchestrator


def what_if(host: Orchestrator, intent: Intent) -> dict[str, Any]:
    """Verdict and changed view of an intent, JSON-ready. Raises KeyError for an unknown agent.

    The changes are shown through the agent's own policy: a sandbox is no way around it.
    """
    case, judgement, state = host.preview_intent(intent)
    refusal: Refusal | None = judgement.refusal
    answer = (
        Answer.refused(case, refusal)
        if refusal is not None
        else Answer(
            case.source,
            case.id,
            "accepted" if judgement.granted is None else "clipped",
            text=judgement.text,
            granted=judgement.granted,
        )
    )
    policy = host.observer(case.source).policy
    before = policy.filter_world_state(host.state, case.source)
    after = policy.filter_world_state(state, case.source)
    verdict = {name: getattr(answer, name) for name in ("status", "code", "text", "value", "limit", "granted")}
    return {"verdict": verdict, "changes": delta(before, after), "effect": False}
