"""What may be attached to the deciding loop: extensions (weather, advisor, feeds) and a display. None may block."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from shared_schemas.records import ActionV1, AgentV1
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.step_data import StepResult
from tomato_host.commands.inbox import Reply, Request


class Extension(Protocol):
    """Called by the deciding loop, in its thread; each call must return within a few ms."""

    def start(self) -> None:
        """The run begins."""

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """A decision has been made and recorded."""

    def tick(self, now: datetime) -> None:
        """Called with every lease renewal."""

    def stop(self) -> None:
        """The run ends."""


class ProposalHost(Protocol):
    """The deciding loop, as far as those who propose see it. Every verdict is recorded before it is returned."""

    def submit(self, request: Request) -> Reply:
        """A person's request for an action or a change of mode; recorded and answered."""

    def submit_proposal(self, action: ActionV1) -> Verdict | None:
        """A verdict at once, or None: it comes out of a later `run_proposals`."""

    def run_proposals(self) -> list[Verdict]:
        """One turn of admission: 32 proposals at most, none begun after 5 ms."""

    def preview_proposal(self, action: ActionV1) -> Verdict:
        """The verdict that a proposal would get; nothing is counted, recorded or carried out."""

    def record_agent(self, record: AgentV1) -> None:
        """A new or changed agent: it holds from now on, and a later process knows it."""


@runtime_checkable
class WakingExtension(Protocol):
    """An extension that others send requests to: the loop ends its wait for them."""

    def bind(self, host: ProposalHost) -> None:
        """Before the run begins: who answers."""

    def fileno(self) -> int:
        """What to wait on; -1: nothing."""

    def is_due(self) -> bool:
        """Whether requests wait that were read already."""

    def poll(self) -> None:
        """Answer what has arrived, within a few ms."""


class Display(Protocol):
    """Something that shows the status; `refresh` is called by the deciding loop and must be quick."""

    def start(self) -> None: ...
    def refresh(self, monotonic_s: float) -> None: ...
    def stop(self) -> None: ...


class NoDisplay:
    """Shows nothing: `--json`, tests, simulations."""

    def start(self) -> None:
        """Nothing to set up."""

    def refresh(self, monotonic_s: float) -> None:
        """Nothing to draw."""

    def stop(self) -> None:
        """Nothing to close."""
