"""The state estimator: from raw readings to a state with stated trust. Pure and deterministic.

`Estimator(settings).step(observation, devices) -> Estimate` is the door; docs/estimator.md walks through it.
"""

from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.estimator.settings import EstimatorSettings, ProbeSettings

__all__ = ["Estimate", "Estimator", "EstimatorSettings", "ProbeSettings"]
