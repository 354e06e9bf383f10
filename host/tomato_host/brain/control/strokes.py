"""In how many strokes a relay's duty is given, and how many that makes in an hour.

A stroke wears the relay (a hobby relay lasts some 100,000 operations under load by its data sheet: three years at 96
strokes a day) and a fan that starts is heard in the room. What bounds its length is what the plants feel: stomata
answer within a quarter to half an hour (Vialet-Chabrand et al. 2017, Plant Physiology 174). With strokes every half
hour the means of all half hours are alike; with 40 minutes between them they were not, and light hours in band were
14 % fewer for 9 % of the transitions (docs/control_history.md). Mist is different: a small tent's air takes up
9 g before it is saturated, which the humidifier gives in two to three minutes; what comes on top runs down the walls.
So its strokes stay short, and none is longer than the board's longest pulse. A heating mat is different again: 20 W
take hours to warm two pots of wet substrate, so all of a cycle's heat is given at once, in pulses as long as the board
allows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import MAT, MIST, Output
from tomato_host.brain.execution.output_job import DUTY_SLOT_MS

Array = NDArray[np.float64]
SLOT_S = 1_800.0
"""Strokes of a duty come back this often ..."""
SHORT_SLOT_S = DUTY_SLOT_MS / 1_000.0
"""... and those of mist this often, once a stroke would be longer than ..."""
MIST_STROKE_S = 120.0
MIST_PULSE_S = MIST.max_on_ms / 1_000.0
"""The longest pulse of mist that the board gives. A longer stroke would become two, the second one short and a pause
after the first, so there are as many strokes as whole pulses hold the amount."""
LEAST_STROKE_S = 60.0
"""Shorter strokes are put together into fewer."""


def stroke_count(output: Output, on_s: float, period_s: float) -> int:
    """Strokes for `on_s` seconds on within `period_s`; at least one. The board cuts one of the mat into its pulses."""
    if output == MAT:
        return 1
    most = period_s / SLOT_S
    if output == MIST:
        most = min(max(most, on_s / MIST_STROKE_S), max(period_s / SHORT_SLOT_S, on_s / MIST_PULSE_S))
    return max(1, min(math.ceil(most), int(on_s // LEAST_STROKE_S)))


def strokes_an_hour(output: Output, share: Array) -> Array:
    """The same for shares of an hour: 0 where the relay is off or simply on (`project` of a plan makes it so)."""
    most = np.full(share.shape, 3_600.0 / SLOT_S)
    if output == MAT:
        most = 3_600_000.0 / MAT.max_on_ms * share
    elif output == MIST:
        most = np.clip(3_600.0 * share / MIST_STROKE_S, 3_600.0 / SLOT_S, 3_600.0 / SHORT_SLOT_S)
        most = np.maximum(most, 3_600.0 * share / MIST_PULSE_S)
    return np.asarray(np.where((share > OFF) & (share < ON), most, 0.0))


OFF, ON = 0.02, 0.9
"""Shares below and from which on a relay does not move within the hour: a plan's share is either below ON or 1, for the
last tenth of the air is not worth a stroke."""
