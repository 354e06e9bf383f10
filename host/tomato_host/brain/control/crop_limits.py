"""What a growth stage asks of day and night beyond its bands: fruit surfaces, flowers, rhythm of water, heat.

The bands of `targets.py` say what air is right at a moment. Some harm has a memory or a season, and no band shows it:

- A fruit is heavy and follows the air within an hour or more. When the air warms and the leaves begin to transpire at
  lights-on, the dew point may rise past the fruit's skin: water stands on it, grey mould germinates, skins crack.
- Flowers of an open truss are pollinated around midday or not at all, and heat harms pollen nine days before a flower
  opens (Picken 1984): what a hot day costs is seen two weeks later.
- Calcium reaches a fruit with water only; leaves in dry air draw it away, and a root zone that swings between dry and
  wet interrupts it (Ho and White 2005, Annals of Botany 95): blossom-end rot.

Sources of the figures: difference of day and night, Heuvelink 1989 (Scientia Horticulturae 38: young plants lose leaf
area where nights are warmer than days) and Khanal et al. 2013 (American Journal of Plant Sciences 4: 24/17 and 27/14
degC are borne, pollen does not suffer). Pollination, Picken 1984 (Journal of Horticultural Science 59) and Harel et al.
2014 (Agronomy 4: daily means above 25 to 26 degC limit fruit set; humidity of 70 instead of 50 % saves pollen). Heat,
Adams, Cockshull and Cave 2001 (Annals of Botany 88: 42 days to ripeness at 26 degC against 46 at 22, small seedless
fruit) and Mulholland et al. 2003 (Journal of Horticultural Science and Biotechnology 78: uneven ripening rises from
20.4 to 25.9 degC of daily mean). Fruit of 60 mm is a round tomato's.
"""

from __future__ import annotations

from dataclasses import dataclass

from tomato_host.brain.control.settings import Stage

Band = tuple[float, float]
FRUIT_DENSITY, FRUIT_HEAT_J_KG_K = 1_000.0, 3_900.0
"""A tomato is 94 % water (heat capacity after Siebel 1892: 837 + 3349 times the share of water, J/(kg K))."""
SKIN_W_M2_K = 9.0
"""Convection in still air and long-wave exchange between a fruit and the room, together (Monteith and Unsworth,
"Principles of Environmental Physics", 4th ed. 2013, ch. 10)."""


@dataclass(frozen=True, slots=True)
class CropLimits:
    """Limits of one growth stage. None: of no concern in this stage."""

    day_night_k: Band
    """Mean air of the light hours less that of the dark ones, in K."""
    fruit_mm: float | None = None
    """Diameter of the fruit that hangs."""
    pollination_c: Band | None = None
    """Air in the hours in which flowers shed pollen."""
    pollination_rh_pct: Band | None = None
    """Humidity then: too dry and pollen does not stick, too damp and it clots."""
    heat_mean_c: float | None = None
    """Mean of a day above which fruit set and even ripening suffer."""
    heat_hour_c: float | None = None
    """An hour above it harms pollen of the coming flowers."""
    leaf_pull_kpa: float | None = None
    """VPD of a light hour from which leaves draw the fruit's calcium away."""
    moisture_swing_pct: float | None = None
    """Fall of the driest zone, in points of volumetric water, that fruit bears without a break in its calcium."""


CROP_LIMITS: dict[Stage, CropLimits] = {
    "seedling": CropLimits(day_night_k=(0.0, 8.0)),
    "vegetative": CropLimits(day_night_k=(1.0, 10.0)),
    "flowering": CropLimits(
        day_night_k=(2.0, 10.0),
        pollination_c=(18.0, 27.0),
        pollination_rh_pct=(50.0, 80.0),
        heat_mean_c=25.5,
        heat_hour_c=30.0,
    ),
    "fruiting": CropLimits(
        day_night_k=(2.0, 10.0),
        fruit_mm=60.0,
        pollination_c=(18.0, 27.0),
        pollination_rh_pct=(50.0, 80.0),
        heat_mean_c=25.5,
        heat_hour_c=30.0,
        leaf_pull_kpa=1.2,
        moisture_swing_pct=8.0,
    ),
}
"""By growth stage, in the order a plant passes them."""


def fruit_lag_s(diameter_mm: float) -> float:
    """Time constant in s of a hanging fruit: a lump of water in still air.

    Volume over surface of a sphere is a sixth of its diameter, so the constant is density x heat x diameter / 6 / h.
    The Biot number of a fruit of 60 mm is 0.16, near the 0.1 below which a body is one lump within 5 % (Incropera et
    al., "Fundamentals of Heat and Mass Transfer", ch. 5); its skin leads its centre a little. Raises ValueError for a
    diameter that is not positive.
    """
    if diameter_mm <= 0.0:
        raise ValueError("a fruit has a diameter above 0 mm")
    return FRUIT_DENSITY * FRUIT_HEAT_J_KG_K * diameter_mm / 1_000.0 / 6.0 / SKIN_W_M2_K
