"""Requests of operators in the running host: read from the inbox, recorded, carried out, answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from shared_schemas.devices import PUMP
from shared_schemas.records import ActionV1, AgentV1
from shared_schemas.records.agent_v1 import agent_name
from tomato_host.board.events import LinkEvent
from tomato_host.board.session import BoardSession
from tomato_host.brain.admission.pipeline import TALLIED, TURN_S
from tomato_host.brain.brain import Brain
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.commands.awaited_outcomes import AwaitedOutcomes
from tomato_host.commands.board_requests import KINDS as BOARD_KINDS
from tomato_host.commands.board_requests import BoardRequests
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.loop.actuator import ExecutorActuator
from tomato_host.loop.context_state import ContextState
from tomato_host.loop.episode import Episode
from tomato_host.loop.recorder import Recorder
from tomato_host.world.telemetry import WorldTelemetry


class RequestHandler:
    """Each request is recorded before anything is done about it, and gets one reply.

    An action is a proposal through the guardrails; a change of mode goes into the runtime context; work on the board
    itself runs in `BoardRequests`, for which this class is the host.
    """

    def __init__(
        self,
        inbox: Inbox | None,
        session: BoardSession,
        brain: Brain,
        episode: Episode,
        actuator: ExecutorActuator,
        context: ContextState,
        recorder: Recorder,
        now: Callable[[], datetime],
        *,
        port: str,
        sampling_ms: int,
        zone: ZoneInfo,
        telemetry: WorldTelemetry | None = None,
        restart: Callable[[], str] | None = None,
    ) -> None:
        """`port` is the one the host holds, `sampling_ms` its normal sampling period, `zone` that of the plants.

        `restart` ends the loop so that it starts anew, or returns why it must not.
        """
        self._zone = zone
        self._restart = restart
        self._telemetry = telemetry or WorldTelemetry(time.monotonic)
        self._inbox = inbox
        self._brain = brain
        self._episode = episode
        self._actuator = actuator
        self._context = context
        self._recorder = recorder
        self._now = now
        self._awaited = AwaitedOutcomes(actuator.action_of)
        self.board = BoardRequests(session, self, port, sampling_ms)

    def poll(self, now_ms: int) -> None:
        """Handle the requests that have arrived, for 5 ms at most, and advance those on the board."""
        self.record_refusals(self._now().timestamp())
        began_s = time.monotonic()
        requests = self._inbox.pop_requests(lambda: time.monotonic() - began_s >= TURN_S) if self._inbox else ()
        for request in requests:
            if request.kind in BOARD_KINDS:
                self._record_request(request, self._now())
                self.board.begin(request, now_ms)
            elif self._inbox is not None:
                self._inbox.reply(self.submit(request))
        self.board.tick(now_ms)

    @property
    def is_flooded(self) -> bool:
        """Whether requests wait that the last `poll` had no time for."""
        return self._inbox is not None and self._inbox.is_flooded

    def remove_stale_replies(self) -> None:
        """Remove replies that were not read."""
        if self._inbox is not None:
            self._inbox.remove_stale_replies(self._now().timestamp())

    def record_refusals(self, until_s: float) -> None:
        """Record what quotas refused in minutes before `until_s`: one count an agent, reason and minute."""
        for one in self._brain.admission.pop_refused(until_s):
            text = f"{one.count} proposals of {one.agent} were refused: {one.code}"
            data: dict[str, str | int] = {"agent": one.agent, "code": one.code, "count": one.count}
            self._recorder.event(self._now(), "INFO", "agent", "proposals_refused", text, **data)

    def on_event(self, event: LinkEvent | ActionV1, now_ms: int) -> None:
        """An event of the link, or an action that has ended, for the requests that wait for it."""
        self.board.on_event(event, now_ms)
        reply = self._awaited.on_event(event)
        if reply is not None and self._inbox is not None:
            self._inbox.reply(reply)

    def submit(self, request: Request) -> Reply:
        """A request for an action, a change of mode or an entry of the journal; recorded either way."""
        if request.journal is not None:
            # The entry is the record of itself; an event of it would put a person's words into a second stream.
            local = request.journal.ts.astimezone(self._zone)
            self._recorder.record(request.journal.model_copy(update={"ts": local}))
            return Reply(id=request.id, ok=True, text=f"recorded as {request.journal.id}")
        now = self._now()
        self._record_request(request, now)
        if request.agent is not None:
            agent = request.agent
            return self._set_agent(request, agent.model_copy(update={"ts": agent.ts.astimezone(self._zone)}))
        if request.kind == "restart":
            return self._begin_restart(request)
        if request.kind == "acknowledge_message":
            return Reply(id=request.id, ok=True, text="Recorded. It is not sent again unless it becomes worse.")
        if request.kind != "action" or request.action is None:
            text = self._context.apply(request, self._now())
            self._episode.update_safe_mode(self._context.at(self._now()))
            return Reply(id=request.id, ok=True, text=text)
        local = request.action.ts.astimezone(self._zone)
        return self.propose(request.id, request.action.model_copy(update={"ts": local}), request.outcome, now)

    def _set_agent(self, request: Request, record: AgentV1) -> Reply:
        self.record_agent(record)
        return Reply(id=request.id, ok=True, text=f"{record.name} is {record.state}")

    def _begin_restart(self, request: Request) -> Reply:
        """A dose is never cut short for it, and work on the board neither."""
        if self._restart is None:
            return Reply(id=request.id, ok=False, text="this host cannot start itself anew; restart it by hand")
        if PUMP.name in self._actuator.running or self.board.is_busy:
            return Reply(id=request.id, ok=False, text="water is running, or work on the board; try again in a minute")
        problem = self._restart()
        return Reply(id=request.id, ok=not problem, text=problem or "restarting")

    # -- ProposalHost ------------------------------------------------------------------------------------------

    def record_agent(self, record: AgentV1) -> None:
        """A new or changed agent: recorded, so that a later process and a replay know it, too."""
        self._brain.admission.set_agent(record)
        self._recorder.record(record)

    def submit_proposal(self, action: ActionV1) -> Verdict | None:
        """A proposal of an agent: a verdict at once, or it waits for `run_proposals`."""
        agent = agent_name(action)
        self._telemetry.enter(agent, str(action.id))
        with self._telemetry.stage("submit", agent_id=agent, req_id=str(action.id)):
            verdict = self._brain.submit(action, self._context.at(self._now()))
        self._telemetry.queue(len(self._brain.admission.pipeline.queue))
        return self._carried_out(verdict)

    def run_proposals(self) -> list[Verdict]:
        """One turn of admission; each verdict is recorded, and carried out where it is allowed."""
        began_s = time.monotonic()
        with self._telemetry.stage("turn"):
            verdicts = self._brain.run_turn(self._context.at(self._now()), lambda: time.monotonic() - began_s)
        self._telemetry.queue(len(self._brain.admission.pipeline.queue))
        for verdict in verdicts:
            self._carried_out(verdict)
        return verdicts

    def preview_proposal(self, action: ActionV1) -> Verdict:
        """The verdict that a proposal would get; nothing happens."""
        return self._brain.preview(action, self._context.at(self._now()))

    def _carried_out(self, verdict: Verdict | None) -> Verdict | None:
        """Record a new verdict and start what it allows. Refusals of a flood are counted by admission, not recorded."""
        if verdict is not None:
            self._note(agent_name(verdict.action), verdict)
        if verdict is None or verdict.repeated or verdict.rule in TALLIED:
            return verdict
        self._recorder.record(verdict.action)
        if verdict.allowed:
            self._actuator.act(verdict)
        return verdict

    # -- RequestHost -------------------------------------------------------------------------------------------

    def propose(self, request_id: str, proposal: ActionV1, outcome: bool = False, now: datetime | None = None) -> Reply:
        """An operator's proposal through the guardrails; what they allow is carried out.

        `outcome`: the sender waits for what comes of it. `now`: the moment of the event that records the request, so
        that a replay judges at the same one.
        """
        agent = agent_name(proposal)
        self._telemetry.enter(agent, str(proposal.id))
        with self._telemetry.stage("submit", agent_id=agent, req_id=str(proposal.id)):
            verdict = self._brain.judge(proposal, self._context.at(now or self._now()))
        self._note(agent, verdict)
        if verdict.rule in TALLIED:
            pass  # answered one by one, recorded as counts: a flood of refusals must not fill the disk
        elif not verdict.repeated:
            self._recorder.record(verdict.action)
            if verdict.allowed:
                if outcome:  # first: switching off ends at once
                    self._awaited.add(request_id, verdict.action)
                self._actuator.act(verdict)
        text = "accepted" if verdict.allowed else f"refused by {verdict.rule}"
        details = "; ".join(check.text for check in verdict.checks if check.text)
        return Reply(
            id=request_id,
            ok=verdict.allowed,
            text=f"{text}: {details}" if details else text,
            action=verdict.action,
            repeated=verdict.repeated,
        )

    def _note(self, agent: str, verdict: Verdict) -> None:
        """One more answer in the metrics, and in the log where that is on."""
        accepted = "clipped" if verdict.rule is not None else "accepted"
        code = accepted if verdict.action.safety.validated else verdict.rule or "refused"
        account = self._brain.admission.pipeline.accounts.get(agent)
        view_seq = 0 if account is None else account.view.seq
        self._telemetry.outcome(agent, str(verdict.action.id), code, view_seq)

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now."""
        self._actuator.switch_off(outputs, reason)

    def reply(self, request: Request, reply: Reply) -> None:
        """The reply to a request on the board: recorded, then delivered."""
        if request.kind != "faults":
            name = f"person_{request.kind}_answered"
            self._recorder.event(self._now(), "INFO", "person", name, reply.text, request=request.id, ok=reply.ok)
        if self._inbox is not None:
            self._inbox.reply(reply)

    def _record_request(self, request: Request, now: datetime) -> None:
        if request.kind == "faults":
            return  # reading is not an action
        reason = request.reason or "no reason given"
        self._recorder.event(
            now,
            "INFO",
            "person",
            f"person_{request.kind}",
            f"{request.agent.name} is {request.agent.state}: {reason}" if request.agent is not None else reason,
            mode=request.mode,
            request=request.id,
            until=request.until.isoformat() if request.until is not None else None,
            **({"cause": request.cause} if request.cause else {}),
            **({"action": str(request.action.id)} if request.action is not None else {}),
        )
