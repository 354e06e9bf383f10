"""An intent as a tent's proposal, and a verdict as the answer that its sender gets."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import ValidationError

from shared_schemas.records import ActionV1, AgentV1
from shared_schemas.world.messages import Intent
from tomato_host.brain.admission.answers import Answer, Status
from tomato_host.brain.admission.refusals import BY_CODE
from tomato_host.brain.guardrails.guardrails import Verdict

CODE_OF_RULE = {"id_reused": "ID_REUSED", "unavailable": "UNAVAILABLE"}
"""Refusals of the tent's table of answers, by the rule in its records."""
RETRY_AFTER_S = {"QUOTA_EXCEEDED": 60.0, "BACKPRESSURE": 1.0, "COOLDOWN": 1.0, "UNAVAILABLE": 1.0}


def action_of_intent(intent: Intent, record: AgentV1, now: datetime) -> ActionV1:
    """The proposal that an intent stands for. Raises pydantic.ValidationError.

    The origin, and with it the rank in the guardrails, is that of the agent's record; nothing in the intent changes it.
    """
    payload = dict(intent.get("payload", {}))
    reason = payload.pop("reason", "")
    return ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": now,
            "type": intent["kind"],
            "params": payload,
            "why": {"text": reason},
            "id": intent["id"],
            "origin": record.origin,
            "agent": record.name,
            "context_seq": intent.get("context_seq"),
            "deadline_ms": intent.get("deadline_ms"),
            "shadow": bool(intent.get("shadow")),
            "trace": intent.get("trace"),
        }
    )


def answer_of_verdict(verdict: Verdict) -> Answer:
    """What the sender gets. A refusal of the guardrails is INTENT_CONFLICT, with their rule, value and limit."""
    action = verdict.action
    agent, intent_id = str(action.agent), str(action.id)
    details = "; ".join(check.text for check in verdict.checks if check.text)
    if not action.safety.validated:
        named = CODE_OF_RULE.get(str(verdict.rule), verdict.rule)
        code = named if named in BY_CODE else "INTENT_CONFLICT"
        rule = "" if named in BY_CODE else f"refused by {verdict.rule}"
        text = ": ".join(part for part in (rule, details) if part)
        return Answer(
            agent, intent_id, "refused", code, text, verdict.value, verdict.limit, RETRY_AFTER_S.get(str(code))
        )
    clipped = bool(action.safety.clipped_by)
    status: Status = "clipped" if clipped else "accepted"
    granted = json.dumps(action.params.model_dump(exclude_none=True), sort_keys=True, separators=(",", ":"))
    text = f"in shadow: judged, and nothing moves. {details}".strip() if action.shadow else details
    effect = None if action.shadow else intent_id
    return Answer(agent, intent_id, status, text=text, effect=effect, granted=granted if clipped else None)


def why_invalid(error: ValidationError) -> str:
    """The first thing that is wrong with a body, by its place."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'intent'}: {first['msg']}"[:300]
