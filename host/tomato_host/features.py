"""Feature flags of the environment: `TOMATO_FEATURES=tracing,-latency`. Safety is no feature: no flag touches it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from tomato_host.errors import TomatoError

VARIABLES = ("GUNN_FEATURES", "TOMATO_FEATURES")
"""Read in this order; the later one wins."""


@dataclass(frozen=True, slots=True)
class Features:
    """What is on. Names may be given with a leading minus: off."""

    latency: bool = True
    """Latency models delay what agents of simulated worlds are sent."""
    backpressure: bool = True
    """An agent's own bound on waiting intents holds; off: the general one of 10,000."""
    intent_log: bool = False
    """A structured log line for each answered intent."""
    tracing: bool = False
    """OpenTelemetry spans across the pipeline; needs the extra `[world]`."""

    def flags(self) -> dict[str, bool]:
        """By name, for metrics."""
        return {one.name: bool(getattr(self, one.name)) for one in fields(self)}


def read_features(environment: Mapping[str, str] = os.environ) -> Features:
    """The flags of the environment. Raises TomatoError E-FEATURE for a name that there is none of."""
    known, chosen = {one.name for one in fields(Features)}, dict[str, bool]()
    for variable in VARIABLES:
        for word in environment.get(variable, "").replace(",", " ").split():
            name = word.lstrip("+-")
            if name not in known:
                raise TomatoError(
                    "E-FEATURE", f"{variable} names {name!r}.", f"known features are {', '.join(sorted(known))}"
                )
            chosen[name] = not word.startswith("-")
    return Features(**chosen)
