"""The tent as the service process sees it: every request goes over the socket pair to the deciding loop."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import EffectDraft, Intent
from tomato_host.brain.admission.answers import Answer
from tomato_host.commands.inbox import Reply, Request
from tomato_host.service.forecast_process import ForecastProcess
from tomato_host.service.live_state import FeedReader
from tomato_host.service.world_host import AgentFeed, DraftRefused, WorldUnavailable

Json = dict[str, Any]
ANSWER_S = 10.0
"""A loop that has not answered within this hangs, or is gone."""
PREFIX = b'{"world":'


class InvalidIntent(Exception):
    """An intent that the tent cannot read. The argument names the field."""


class TentHost:
    """`WorldHost` of the real tent."""

    def __init__(self, tent: str, forecasts: ForecastProcess | None = None) -> None:
        self._tent = tent
        self._forecasts = forecasts
        self._link: FeedReader | None = None
        self._refs = count(1)
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._feeds: dict[str, AgentFeed] = {}

    @property
    def tent(self) -> str:
        """Name of the tent."""
        return self._tent

    def attach(self, link: FeedReader | None) -> None:
        """The connection to the deciding loop; None when it has ended."""
        self._link = link
        if link is None:
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(WorldUnavailable("the deciding loop has ended"))
            self._asked.clear()

    def on_line(self, line: bytes) -> bool:
        """Apply one line of the loop; False when it is none of this world."""
        if not line.startswith(PREFIX):
            return False
        message: Json = json.loads(line)["world"]
        asked = self._asked.pop(message.get("ref", 0), None)
        if asked is not None and not asked.done():
            asked.set_result(message)
        elif "observation" in message and message["agent"] in self._feeds:
            self._add(message["agent"], message["observation"])
        return True

    @property
    def is_attached(self) -> bool:
        """Whether a deciding loop is connected."""
        return self._link is not None

    async def request(self, request: Request) -> Reply:
        """A person's request, answered by the loop as if it had come by the inbox. Raises WorldUnavailable."""
        found = await self._ask("request", request=request.model_dump_json())
        return Reply.model_validate(found, strict=False)

    async def record(self, agent: str) -> AgentV1:
        """As `WorldHost.record`."""
        return AgentV1.model_validate(await self._ask("record", agent=agent), strict=False)

    async def feed(self, agent: str) -> AgentFeed:
        """As `WorldHost.feed`."""
        if agent not in self._feeds:
            self._feeds[agent] = AgentFeed()
            try:
                await self._ask("observe", agent=agent)
            except BaseException:
                self._feeds.pop(agent, None)
                raise
        return self._feeds[agent]

    async def submit(self, intent: Intent) -> Answer:
        """As `WorldHost.submit`. Raises InvalidIntent."""
        return _answer(await self._ask("submit", agent=intent["agent"], intent=intent))

    async def cancel(self, agent: str, intent_id: str, reason: str) -> bool:
        """As `WorldHost.cancel`."""
        return bool((await self._ask("cancel", agent=agent, id=intent_id, reason=reason))["cancelled"])

    async def emit(self, draft: EffectDraft) -> None:
        """As `WorldHost.emit`."""
        await self._ask("emit", agent=draft["source"], kind=draft["kind"], payload=draft.get("payload", {}))

    async def what_if(self, intent: Intent) -> Json:
        """As `WorldHost.what_if`."""
        answer = _answer(await self._ask("what_if", agent=intent["agent"], intent=intent))
        shown = ("status", "code", "text", "value", "limit", "granted")
        return {"verdict": {name: getattr(answer, name) for name in shown}, "effect": False}

    async def forecast_with(self, intent: Intent, granted: str | None) -> Json | None:
        """As `WorldHost.forecast_with`, made in a process of its own. Raises DraftRefused where the policy hides it."""
        inputs = await self._ask("forecast_inputs", agent=intent["agent"])
        if not inputs or self._forecasts is None:
            return None
        params = intent.get("payload", {}) if granted is None else json.loads(granted)
        return await self._forecasts.ask(inputs, {"type": intent["kind"], "params": params})

    async def report(self, agent: str, name: str, text: str) -> None:
        """As `WorldHost.report`."""
        await self._ask("report", agent=agent, name=name, text=text)

    async def quarantine(self, agent: str, reason: str) -> None:
        """As `WorldHost.quarantine`."""
        await self._ask("quarantine", agent=agent, reason=reason)

    # -- inside ------------------------------------------------------------------------------------------------

    def _add(self, agent: str, observation: Any) -> None:
        if not self._feeds[agent].add(observation):
            # Something was lost on the way: ask for the whole view. Its answer needs no reader.
            self._write({"ref": 0, "op": "observe", "agent": agent})

    async def _ask(self, op: str, **fields: Any) -> Json:
        ref = next(self._refs)
        asked: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[ref] = asked
        try:
            self._write({"ref": ref, "op": op, **fields})
            message = await asyncio.wait_for(asked, ANSWER_S)
        except TimeoutError:
            raise WorldUnavailable("the deciding loop does not answer") from None
        finally:
            self._asked.pop(ref, None)
        _raise_refused(message)
        result: Json = message["result"]
        return result

    def _write(self, request: Json) -> None:
        if self._link is None or not self._link.send_line(b'{"world":' + json.dumps(request).encode() + b"}\n"):
            raise WorldUnavailable("no deciding loop is connected")


def _raise_refused(message: Json) -> None:
    refused, text = message.get("refused"), message.get("text", "")
    if refused == "unknown_agent":
        raise KeyError(text)
    if refused == "not_permitted":
        raise DraftRefused(text)
    if refused is not None:
        raise InvalidIntent(text)


def _answer(values: Json) -> Answer:
    return Answer.from_json(json.dumps(values))
