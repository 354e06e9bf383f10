"""HTTP GET with timeouts, a rate limit, and retries with jitter for transient errors; time and chance are injected."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tomato_host.weather.rate_limit import RateLimiter
from tomato_host.weather.series import WeatherUnavailable

if TYPE_CHECKING:
    import httpx

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LONGEST_BODY = 4_000_000
_AGENT = "tomato-host (one request every two hours)"


@dataclass
class Fetcher:
    """One client for one provider."""

    limiter: RateLimiter
    timeout_s: float = 10.0
    attempts: int = 3
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    sleep: Callable[[float], None] = time.sleep
    transport: httpx.BaseTransport | None = None
    _client: httpx.Client | None = field(default=None, init=False, repr=False)

    def get_json(self, url: str, params: Mapping[str, str]) -> Any:
        """The body as JSON. Raises WeatherUnavailable after the last attempt, at once for a refusal."""
        why = ""
        for attempt in range(self.attempts):
            pause = self._pause_s(attempt) if attempt else 0.0
            wait = max(self.limiter.delay_s(), pause)
            if wait > _LONGEST_PAUSE_S:
                raise WeatherUnavailable(f"the rate limit asks for a wait of {wait:.0f} s")
            if wait > 0.0:
                self.sleep(wait)
            self.limiter.used()
            try:
                return self._once(url, params)
            except _Transient as error:
                why = str(error)
                if error.retry_after_s > _LONGEST_PAUSE_S:
                    raise WeatherUnavailable(f"{why}; asked to come back in {error.retry_after_s:.0f} s") from None
        raise WeatherUnavailable(f"{why} ({self.attempts} attempts)")

    def _pause_s(self, attempt: int) -> float:
        """Full jitter: anywhere up to a doubling ceiling, so that many clients do not retry at the same moment."""
        return self.rng.uniform(0.1, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**attempt))

    def _once(self, url: str, params: Mapping[str, str]) -> Any:
        import httpx  # some MB, held from the first request on

        if self._client is None:  # made once: loading the certificates takes longer than the request
            headers = {"User-Agent": _AGENT}
            self._client = httpx.Client(timeout=self.timeout_s, transport=self.transport, headers=headers)
        try:
            answer = self._client.get(url, params=dict(params))
        except httpx.TimeoutException:
            raise _Transient(f"no answer within {self.timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise _Transient(f"connection failed ({type(error).__name__})") from None
        if answer.status_code in _TRANSIENT_STATUS:
            raise _Transient(f"HTTP {answer.status_code}", _retry_after_s(answer))
        if answer.status_code != 200:
            detail = _detail(answer)
            outside = answer.status_code == 400 and "outside" in detail.lower()
            raise WeatherUnavailable(f"HTTP {answer.status_code}: {detail}", permanent=outside)
        if len(answer.content) > _LONGEST_BODY:
            raise WeatherUnavailable(f"an answer of {len(answer.content)} bytes is no point forecast")
        try:
            return answer.json()
        except ValueError:
            raise _Transient("the answer is no JSON") from None


class _Transient(Exception):
    """An error that may be over soon."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return "no explanation"
    detail = body.get("detail", body.get("reason", "no explanation")) if isinstance(body, dict) else "no explanation"
    return str(detail)[:200]
