"""Who may use a world from outside: tokens by tent and agent, rates by tenant and agent, violations and quarantine.

A token is for tents, one agent and a role. A token without an agent is the agent `api`. What somebody does with a valid
token that it is not for is a violation of that token's own agent; who has no valid token can be refused, but cannot get
anybody into quarantine.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.logs import Log
from tomato_host.service.security import ClientRateLimiter
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import RANK, Role, Token, TokenFile
from tomato_host.service.world_host import WorldHost

_log = Log("world")
DEFAULT_AGENT = "api"
WINDOW_S = 600.0
"""Violations count for this long."""
REPORT_EVERY_S = 60.0
"""An event for each agent and kind of violation, at most so often."""
RETRY_S = 1.0


class AccessRefused(Exception):
    """A request that its sender may not make."""

    def __init__(self, status: int, code: str, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by a valid token."""

    token: str
    agent: str
    role: Role


class Violations:
    """What each agent did that it may not, in the last ten minutes."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`most`: violations after which an agent is quarantined; 0: never."""
        self._most = most
        self._monotonic = monotonic
        self._at: dict[str, deque[float]] = {}
        self._reported: dict[tuple[str, str], float] = {}

    def add(self, agent: str) -> bool:
        """Count one; True when the agent has reached the limit."""
        now_s, found = self._monotonic(), self._at.setdefault(agent, deque())
        found.append(now_s)
        while found[0] <= now_s - WINDOW_S or len(found) > max(self._most, 1):
            found.popleft()
        return 0 < self._most <= len(found)

    def is_news(self, agent: str, name: str) -> bool:
        """Whether this kind was not reported within the last minute."""
        now_s = self._monotonic()
        if now_s - self._reported.get((agent, name), float("-inf")) < REPORT_EVERY_S:
            return False
        self._reported[agent, name] = now_s
        return True


class WorldAccess:
    """Checks of everything that comes to the worlds of this process."""

    def __init__(
        self,
        tokens: TokenFile,
        settings: ServiceSettings,
        hosts: Mapping[str, WorldHost],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._hosts = hosts
        self._by_agent = ClientRateLimiter(settings.agent_per_minute, monotonic)
        self._by_tent = ClientRateLimiter(settings.tent_per_minute, monotonic)
        self._violations = Violations(settings.quarantine_after, monotonic)

    async def enter(self, secret: str, tent: str, agent: str, least: Role) -> tuple[WorldHost, Caller]:
        """The world and the caller. Raises AccessRefused 401, 403, 404, 429."""
        token = self.token(secret)
        caller = Caller(token.name, token.agent or DEFAULT_AGENT, token.role)
        host = self._hosts.get(tent)
        if token.tents and tent not in token.tents:
            await self._violation(caller, token.tents, "foreign_tent", f"token {token.name} was used for tent {tent}")
            raise AccessRefused(403, "FOREIGN_TENT", f"this token is not for the tent {tent}")
        if host is None:
            raise AccessRefused(404, "UNKNOWN_TENT", f"no tent is called {tent}; here are {', '.join(self._hosts)}")
        if agent != caller.agent:
            await self.violation(host, caller, "foreign_agent", f"token {token.name} was used for agent {agent}")
            raise AccessRefused(403, "FOREIGN_AGENT", f"this token is for the agent {caller.agent}, not for {agent}")
        if RANK[token.role] < RANK[least]:
            raise AccessRefused(403, "ROLE", f"this token has the role {token.role}; {least} is needed")
        await self.count(host, caller)
        return host, caller

    def token(self, secret: str) -> Token:
        """The valid token of a secret. Raises AccessRefused 401."""
        token = self._tokens.find(secret)
        if token is None:
            raise AccessRefused(401, "TOKEN", "a token is needed: tomato-host token create NAME --agent AGENT")
        if self._tokens.valid(secret) is None:
            raise AccessRefused(401, "TOKEN_EXPIRED", f"the token {token.name} was valid until {token.expires}")
        return token

    async def count(self, host: WorldHost, caller: Caller) -> None:
        """Count one request or message. Raises AccessRefused 429 for more than tenant or agent may send."""
        key = f"{host.tent}/{caller.agent}"
        if not self._by_agent.allows(key):
            await self.violation(host, caller, "rate_exceeded", f"{caller.agent} sends more than its rate allows")
            raise AccessRefused(429, "RATE", "too many requests of this agent", RETRY_S)
        if not self._by_tent.allows(host.tent):
            raise AccessRefused(429, "RATE", "too many requests for this tent", RETRY_S)

    async def violation(self, host: WorldHost, caller: Caller, name: str, text: str) -> None:
        """Count a violation, report the first of its kind, and quarantine an agent that does not stop."""
        reached = self._violations.add(caller.agent)
        try:
            if self._violations.is_news(caller.agent, name):
                _log.warning("security event", name=name, agent=caller.agent)
                await host.report(caller.agent, f"security_{name}", text)
            if reached and may_be_quarantined(await host.record(caller.agent)):
                await host.quarantine(caller.agent, f"too many violations, the last: {name}")
        except Exception as error:  # a world that cannot record it at this moment must not turn a refusal into a 500
            _log.warning("a security event was not recorded", name=name, agent=caller.agent, error=str(error))

    async def _violation(self, caller: Caller, tents: tuple[str, ...], name: str, text: str) -> None:
        """Of a token for other tents: its agent lives in one of those, if that is served here at all."""
        for host in (self._hosts[tent] for tent in tents if tent in self._hosts):
            await self.violation(host, caller, name, text)


def may_be_quarantined(record: AgentV1) -> bool:
    """Not the owner, and not the parts of the host itself: who misuses their token must not stop them."""
    return record.state == "active" and record.role != "owner" and record.origin not in ("controller", "safe_mode")
