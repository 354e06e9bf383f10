"""The deciding loop's end of the shared world: requests of the service process in, verdicts and views out.

Requests come over the socket pair that the dashboard's process has anyway, one JSON object a line, and end the loop's
wait. A poll reads what has arrived, submits every intent to admission and runs one turn (32 intents or 5 ms at most);
what is left is due again at once, after the loop has looked at its own tasks. So a flood delays a lease by one turn.

An answer is sent after the verdict was recorded. Views are sent for the agents that somebody reads, at once with the
record that changed them: `TentViews` has folded it before this listener is called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared_schemas.records import ActionV1, AgentV1, EventV1, Record
from shared_schemas.world.messages import Effect
from tomato_host.brain.admission.tent_admission import TentAdmission
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.step_data import StepResult
from tomato_host.commands.inbox import Request
from tomato_host.loop.extensions import ProposalHost
from tomato_host.loop.recorder import Recorder
from tomato_host.service.feed import ProcessFeed
from tomato_host.service.proposal_answers import action_of_intent, answer_of_verdict, why_invalid
from tomato_host.world.views import snapshot_of
from tomato_host.world.worlds.tent import TentViews, may_see

Json = dict[str, Any]
FROM_PEOPLE = frozenset({"action", "mode", "acknowledge"})
MOST_A_POLL = 64
"""Requests handled in one poll."""


class RequestRefused(Exception):
    """A request that cannot be answered. Arguments: kind of refusal, reason."""


class WorldGateway:
    """An extension of the deciding loop beside the feed of the dashboard's process, whose socket it uses."""

    def __init__(
        self,
        feed: ProcessFeed,
        admission: TentAdmission,
        views: TentViews,
        recorder: Recorder,
        now: Callable[[], datetime],
        forecast_inputs: Callable[[datetime], Json | None] = lambda now: None,
    ) -> None:
        """`forecast_inputs`: what a forecast of a moment rests on, for the process that makes one for a what-if."""
        self._feed = feed
        self._admission = admission
        self._views = views
        self._recorder = recorder
        self._now = now
        self._forecast_inputs = forecast_inputs
        self._host: ProposalHost | None = None
        self._observed: set[str] = set()
        self._waiting: dict[tuple[str, str], list[int]] = {}
        feed.on_connect = self._forget
        recorder.listeners.append(self.on_record)

    # -- extension ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The feed starts the process."""

    def stop(self) -> None:
        """The feed ends the process."""

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """What still waits: the loop's waits are ended by what arrives, so this is rarely much."""
        if self.is_due():
            self.poll()

    # -- waking extension --------------------------------------------------------------------------------------

    def bind(self, host: ProposalHost) -> None:
        """Who judges."""
        self._host = host

    def fileno(self) -> int:
        """The process's socket."""
        return self._feed.fileno()

    def is_due(self) -> bool:
        """Whether requests or intents wait."""
        return bool(self._feed.requests or self._waiting)

    def poll(self) -> None:
        """Handle what has arrived, and run one turn of admission."""
        self._feed.receive_requests()
        for _ in range(min(MOST_A_POLL, len(self._feed.requests))):
            self._handle(self._feed.requests.popleft())
        if self._waiting and self._host is not None:
            for verdict in self._host.run_proposals():
                self._answer(verdict)

    # -- requests ----------------------------------------------------------------------------------------------

    def _handle(self, request: Json) -> None:
        ref = request.get("ref")
        if not isinstance(ref, int):
            return
        try:
            handler = OPERATIONS[str(request.get("op"))]
            result = handler(self, request)
        except RequestRefused as refused:
            self._send({"ref": ref, "refused": refused.args[0], "text": refused.args[1]})
        except (KeyError, TypeError, ValueError) as error:
            self._send({"ref": ref, "refused": "invalid", "text": f"{type(error).__name__}: {error}"[:300]})
        else:
            if result is not None:
                self._send({"ref": ref, "result": result})

    def _record_of(self, request: Json) -> AgentV1:
        account = self._admission.pipeline.accounts.get(request["agent"])
        if account is None:
            raise RequestRefused("unknown_agent", f"no agent of this tent is called {request['agent']!r}")
        return account.record

    def _show_record(self, request: Json) -> Json:
        record: Json = json.loads(self._record_of(request).to_json())
        return record

    def _observe(self, request: Json) -> Json:
        name = self._record_of(request).name
        observer = self._views.observer(name)
        self._observed.add(name)
        observer.queue.clear()
        if observer.view is not None:
            self._send({"agent": name, "observation": snapshot_of(observer.view)})
        return {"view_seq": observer.account.view.seq}

    def _submit(self, request: Json) -> Json | None:
        action = self._action_of(request)
        assert self._host is not None
        verdict = self._host.submit_proposal(action)
        if verdict is None:
            self._waiting.setdefault((str(action.agent), str(action.id)), []).append(request["ref"])
            return None
        answer: Json = json.loads(answer_of_verdict(verdict).to_json())
        return answer

    def _what_if(self, request: Json) -> Json:
        assert self._host is not None
        verdict = self._host.preview_proposal(self._action_of(request))
        answer: Json = json.loads(answer_of_verdict(verdict).to_json())
        return answer

    def _show_forecast_inputs(self, request: Json) -> Json:
        record = self._record_of(request)
        if not may_see(record, self._views.state.world, "/forecast"):
            raise RequestRefused("not_permitted", f"{record.name} does not see the forecast")
        return self._forecast_inputs(self._now()) or {}

    def _action_of(self, request: Json) -> ActionV1:
        record = self._record_of(request)
        try:
            return action_of_intent(request["intent"], record, self._now())
        except ValidationError as error:
            raise RequestRefused("invalid", why_invalid(error)) from None

    def _answer_request(self, request: Json) -> Json:
        """A person's request by the API; work on the board itself takes longer and goes by the inbox."""
        asked = Request.model_validate_json(request["request"])
        if asked.kind not in FROM_PEOPLE or (asked.action is not None and asked.action.origin != "api"):
            raise RequestRefused("invalid", f"a request of kind {asked.kind} does not come this way")
        assert self._host is not None
        reply: Json = self._host.submit(asked).model_dump(mode="json")
        return reply

    def _cancel(self, request: Json) -> Json:
        name = self._record_of(request).name
        verdict = self._admission.cancel(name, request["id"], request["reason"], self._now().timestamp())
        if verdict is not None:
            self._recorder.record(verdict.action)
            self._answer(verdict)
        return {"cancelled": verdict is not None}

    def _emit(self, request: Json) -> Json:
        record = self._record_of(request)
        if record.state != "active":
            raise RequestRefused("not_permitted", f"{record.name} is {record.state}")
        if request["kind"] != "message":
            raise RequestRefused("not_permitted", f"a tent's agents may emit messages, not {request['kind']}")
        payload = request["payload"]
        text, to = payload.get("text"), payload.get("to")
        if not isinstance(text, str) or not 0 < len(text) <= 1_000 or not (to is None or isinstance(to, str)):
            raise RequestRefused("invalid", "a message has `text` (1 to 1000 characters) and perhaps `to`, an agent")
        self._recorder.event(self._now(), "INFO", "message", "message", text, agent=record.name, to=to)
        return {}

    def _report(self, request: Json) -> Json:
        name, text = str(request["name"])[:60], str(request["text"])[:400]
        self._recorder.event(self._now(), "WARNING", "agent", name, text, agent=str(request["agent"])[:64])
        return {}

    def _quarantine(self, request: Json) -> Json:
        record, reason = self._record_of(request), str(request["reason"])[:200]
        assert self._host is not None
        if record.state == "active":
            changed = {"state": "quarantined", "reason": reason, "ts": self._now()}
            self._host.record_agent(record.model_copy(update=changed))
        return {}

    # -- answers and views -------------------------------------------------------------------------------------

    def on_record(self, record: Record) -> None:
        """A record was stored and folded: pass on what the observed agents see of it."""
        if not self._observed:
            return
        if isinstance(record, EventV1) and record.kind == "message":
            self._send_message(record)
        self._send_views()

    def _send_message(self, event: EventV1) -> None:
        sender = str(event.data.get("agent") or "host")
        effect: Effect = {
            "schema_version": "effect_v1",
            "id": hashlib.sha256(event.to_json().encode()).hexdigest()[:16],
            "world": self._views.state.world,
            "source": sender,
            "kind": "message",
            "payload": {"text": event.text, **({"to": to} if (to := event.data.get("to")) else {})},
            "sim_time_s": event.ts.timestamp(),
            "priority": 0,
            "req_id": None,
        }
        self._views.send_event(effect)

    def _send_views(self) -> None:
        for name in sorted(self._observed):
            for observation in self._views.observer(name).queue.pop_due():
                if not self._send({"agent": name, "observation": observation}):
                    return

    def _answer(self, verdict: Verdict) -> None:
        answer = answer_of_verdict(verdict)
        for ref in self._waiting.pop((answer.agent, answer.id), ()):
            self._send({"ref": ref, "result": json.loads(answer.to_json())})

    def _send(self, message: Json) -> bool:
        return self._feed.send_at_once(b'{"world":' + json.dumps(message).encode() + b"}\n")

    def _forget(self) -> None:
        self._observed.clear()
        self._waiting.clear()


OPERATIONS: dict[str, Callable[[WorldGateway, Json], Json | None]] = {
    "record": WorldGateway._show_record,
    "observe": WorldGateway._observe,
    "submit": WorldGateway._submit,
    "request": WorldGateway._answer_request,
    "what_if": WorldGateway._what_if,
    "forecast_inputs": WorldGateway._show_forecast_inputs,
    "cancel": WorldGateway._cancel,
    "emit": WorldGateway._emit,
    "report": WorldGateway._report,
    "quarantine": WorldGateway._quarantine,
}
"""What the service process may ask for."""
