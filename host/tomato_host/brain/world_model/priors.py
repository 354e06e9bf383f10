"""Priors and bounds of every learned coefficient: hourly laws of soil, air, vapour and leaf, linear in what is learned.

Priors are those of a 0.8 m tent with a 100 W lamp and two plants in 8 l pots: about 90 g/h of transpiration in
light, which takes 60 of the 100 W, so that the lamp warms by 2 K only, and an exhaust of 80 m3/h that thins the
vapour faster than it cools. Spreads are wide enough for one day of data to move them. Bounds hold signs that physics
forbids to flip: light never waters, water never dries.
"""

from __future__ import annotations

from tomato_host.brain.world_model.bounded_rls import Coefficient

ROOM_C = 20.0
ROOM_VAPOUR_KPA = 1.2
"""Reference air that walls exchange with when nothing is known of the outside."""

SOIL_REFERENCE_PCT = 40.0
UPTAKE_FALLS_BELOW_PCT = 26.0
"""Below this water content the substrate holds its water back and the roots take up less."""

CAPACITIES_PCT = tuple(float(pct) for pct in range(28, 64))
"""Container capacities that a pot may turn out to have, in its own probe's points: water above it soon drains."""

NO_CAPACITY_PCT = 99.0
"""Capacity assumed before anything was seen to drain: none, the pot holds all water."""

SOIL_LAW = (
    # dM/dt = uptake * (a VPD + b light + c fan + d), extended by light * VPD (open stomata), moisture, water, the
    # reduced uptake from a dry pot (Feddes et al. 1978), and drainage above capacity, in points an hour. The name
    # "thirst" is part of the recorded hash of the coefficients and therefore stays
    Coefficient("vpd", -0.10, 0.20, -4.0, 0.0),
    Coefficient("light", -0.20, 0.30, -4.0, 0.0),
    Coefficient("light_vpd", -0.20, 0.30, -4.0, 0.0),
    Coefficient("fan", -0.02, 0.05, -1.0, 0.2),
    Coefficient("constant", -0.05, 0.10, -1.5, 0.5),
    Coefficient("moisture", -0.10, 0.15, -3.0, 0.0),
    Coefficient("water_now", 0.30, 0.40, 0.0, 8.0),
    Coefficient("water_before", 0.30, 0.40, 0.0, 8.0),
    Coefficient("thirst", 0.50, 0.20, 0.0, 1.0),
    Coefficient("overflow", -0.90, 0.15, -1.0, -0.5),
    Coefficient("capacity", 47.0, 8.0, UPTAKE_FALLS_BELOW_PCT, 75.0),
)
"""Per kPa, per share of light, per their product, per share of fan, per hour, per 10 points above 40 %, per 100 ml
this hour and the hour before, share of the drying lost per 10 points below UPTAKE_FALLS_BELOW_PCT, per point of fresh
water above capacity, and that capacity in %."""

AIR_LAW = (
    Coefficient("room", 0.60, 0.40, 0.0, 1.0),
    Coefficient("outside", 0.25, 0.30, 0.0, 1.0),
    Coefficient("exhaust_room", 0.15, 0.20, 0.0, 1.0),
    Coefficient("exhaust_outside", 0.05, 0.15, 0.0, 1.0),
    Coefficient("light", 2.0, 3.0, 0.0, 15.0),
    Coefficient("light_exhaust", -0.6, 2.0, -12.0, 0.0),
    Coefficient("sun", 1.0, 2.0, 0.0, 15.0),
    Coefficient("heater", 0.4, 0.6, 0.0, 6.0),
    Coefficient("humidifier", -0.3, 0.6, -5.0, 0.5),
    Coefficient("circulation", 0.1, 0.3, -1.0, 2.0),
    Coefficient("constant", 0.3, 1.5, -8.0, 8.0),
)
"""K an hour: towards room and outside air, with the exhaust more so, and what lamp, sun, mat and mist add."""

VAPOUR_LAW = (
    Coefficient("room", 0.60, 0.40, 0.0, 1.0),
    Coefficient("outside", 0.25, 0.30, 0.0, 1.0),
    Coefficient("exhaust_room", 0.25, 0.20, 0.0, 1.0),
    Coefficient("exhaust_outside", 0.05, 0.15, 0.0, 1.0),
    Coefficient("light", 0.35, 0.30, 0.0, 3.0),
    Coefficient("light_exhaust", -0.35, 0.30, -2.0, 0.0),
    Coefficient("sun", 0.10, 0.20, -0.5, 2.0),
    Coefficient("humidifier", 0.50, 0.50, 0.0, 4.0),
    Coefficient("humidifier_exhaust", -0.30, 0.40, -3.0, 0.0),
    Coefficient("vpd", 0.05, 0.10, 0.0, 0.8),
    Coefficient("circulation", 0.0, 0.05, -0.3, 0.5),
    Coefficient("constant", 0.05, 0.15, -1.0, 1.0),
)
"""kPa of vapour pressure an hour, built like the law of the air; `vpd` is how the plants respond to dry air."""

LEAF_LAW = (
    Coefficient("vpd", 1.0, 0.3, 0.3, 2.0),
    Coefficient("light", 0.10, 0.30, -1.0, 2.0),
    Coefficient("sun", 0.10, 0.30, -1.0, 3.0),
    Coefficient("circulation", 0.0, 0.10, -0.5, 0.5),
    Coefficient("constant", 0.0, 0.15, -1.0, 1.0),
)
"""Leaf-to-air deficit in kPa from the air's deficit and what warms the leaf."""

NOISE = {"soil": 1.0, "air": 0.6, "vapour": 0.08, "leaf": 0.1}
"""Typical residual: points of water content some hours ahead; K, kPa, kPa of one hour."""
