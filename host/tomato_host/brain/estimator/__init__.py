"""The state estimator: from raw readings to a state with confidence. Pure and deterministic.

`Estimator(settings).step(observation, devices) -> Estimate` is the entry;
`pipeline.py` explains the stages, docs/estimator.md shows the use.
"""

from typing import TYPE_CHECKING

from tomato_host.brain.on_demand import names_on_demand

if TYPE_CHECKING:
    from tomato_host.brain.estimator.estimate import Estimate
    from tomato_host.brain.estimator.pipeline import Estimator
    from tomato_host.brain.estimator.settings import EstimatorSettings, ProbeSettings

__all__ = ["Estimate", "Estimator", "EstimatorSettings", "ProbeSettings"]

__getattr__ = names_on_demand(
    __name__,
    {
        "Estimate": "estimate",
        "Estimator": "pipeline",
        "EstimatorSettings": "settings",
        "ProbeSettings": "settings",
    },
)
