"""The slow plant: assimilates become leaf, stem and fruit over a season. Stepped every few minutes."""

from __future__ import annotations

from dataclasses import dataclass, field

CH2O_PER_CO2 = 30.0 / 44.0
GROWTH_EFFICIENCY = 0.7
"""g dry matter per g CH2O (Penning de Vries et al. 1974; 0.70-0.75 for tomato)."""
MAINTENANCE_PER_DAY = 0.012
"""g CH2O per g dry matter and day at 25 degC (Heuvelink 1995)."""
LEAF_AREA_M2_PER_G = 0.022
"""Specific leaf area of tomato (Heuvelink 1999: 0.018-0.03)."""
FRUIT_DAYS_AT_22C = 50.0
FRUIT_POTENTIAL_G = 7.0
"""Dry matter of one fully grown round fruit, 120 g fresh at 6 %."""
FRUITS_PER_TRUSS = 5
TRUSSES_PER_DAY_AT_20C = 0.13
"""Truss appearance (de Koning 1994: 0.11-0.15 per day at 18-22 degC)."""


@dataclass(slots=True)
class Fruit:
    """A truss's worth of fruit of one age: development 0..1 and dry matter in g, for all of them together."""

    count: int
    development: float
    dry_g: float


@dataclass(slots=True)
class SimulatedPlant:
    """Dry matter of all plants of the tent together, g; leaf area index in m2 per m2 floor."""

    lai: float
    leaf_g: float
    stem_g: float
    reserve_g: float = 5.0
    harvested_g: float = 0.0
    truss_progress: float = 0.0
    fruits: list[Fruit] = field(default_factory=list)

    @property
    def fruit_count(self) -> int:
        return sum(f.count for f in self.fruits)

    @property
    def fruit_g(self) -> float:
        return sum(f.dry_g for f in self.fruits)


def planted(lai: float, fruit_count: int, floor_m2: float) -> SimulatedPlant:
    """Plants in production: trusses of every age, as after some eight weeks."""
    leaf = lai * floor_m2 / LEAF_AREA_M2_PER_G
    plant = SimulatedPlant(lai=lai, leaf_g=leaf, stem_g=0.6 * leaf)
    trusses = max(1, fruit_count // FRUITS_PER_TRUSS) if fruit_count else 0
    for k in range(trusses):
        age = (k + 0.5) / trusses
        plant.fruits.append(Fruit(FRUITS_PER_TRUSS, age, FRUITS_PER_TRUSS * FRUIT_POTENTIAL_G * 0.5 * age**2))
    return plant


def maintenance_g_s(plant: SimulatedPlant, leaf_c: float) -> float:
    """CH2O respired for maintenance, g/s, doubling every 10 K (Q10 of 2)."""
    mass = plant.leaf_g + 0.5 * plant.stem_g + 0.5 * plant.fruit_g
    return mass * MAINTENANCE_PER_DAY / 86_400.0 * float(2.0 ** ((leaf_c - 25.0) / 10.0))


def grow(
    plant: SimulatedPlant,
    dt_s: float,
    net_co2_g: float,
    leaf_c: float,
    stress: float,
    floor_m2: float,
    lai_max: float,
    plants: int,
) -> None:
    """One slow step: `net_co2_g` was fixed in `dt_s`; `stress` is 1 for free water supply and 0 at wilting.

    Dry matter is shared by sink strengths as in TOMSIM (Heuvelink 1996), boxcars reduced to one per truss.
    """
    days = dt_s / 86_400.0
    warm = min(2.0, max(0.0, (leaf_c - 8.0) / 14.0))  # 1 at 22 degC, 0 below 8 degC
    plant.reserve_g += net_co2_g * CH2O_PER_CO2
    wanted_fruit = [_fruit_demand(f, days * warm) for f in plant.fruits]
    wanted_green = 4.0 * plants * days * warm * stress
    wanted = sum(wanted_fruit) + wanted_green
    supply = min(max(0.0, plant.reserve_g) * min(1.0, 2.5 * days) * GROWTH_EFFICIENCY, wanted)
    if wanted > 0.0:
        share = supply / wanted
        plant.reserve_g -= supply / GROWTH_EFFICIENCY
        for fruit, demand in zip(plant.fruits, wanted_fruit, strict=True):
            fruit.dry_g += demand * share
        plant.leaf_g += 0.7 * wanted_green * share
        plant.stem_g += 0.3 * wanted_green * share
    _develop(plant, days * warm, plants, stress)
    if stress < 0.05:
        plant.leaf_g *= 1.0 - 0.10 * days  # leaves die of drought
    plant.leaf_g = min(plant.leaf_g, lai_max * floor_m2 / LEAF_AREA_M2_PER_G)
    plant.lai = plant.leaf_g * LEAF_AREA_M2_PER_G / floor_m2


def _fruit_demand(fruit: Fruit, warm_days: float) -> float:
    """Potential growth of a truss: bell-shaped over its development, integrating to FRUIT_POTENTIAL_G per fruit."""
    x = fruit.development
    return fruit.count * FRUIT_POTENTIAL_G * 6.0 * x * (1.0 - x) * warm_days / FRUIT_DAYS_AT_22C


def _develop(plant: SimulatedPlant, warm_days: float, plants: int, stress: float) -> None:
    for fruit in plant.fruits:
        fruit.development += warm_days / FRUIT_DAYS_AT_22C
    ripe = [f for f in plant.fruits if f.development >= 1.0]
    if ripe:
        plant.harvested_g += sum(f.dry_g for f in ripe)
        plant.fruits = [f for f in plant.fruits if f.development < 1.0]
    plant.truss_progress += TRUSSES_PER_DAY_AT_20C * warm_days * plants * stress
    if plant.truss_progress >= 1.0:
        plant.truss_progress -= 1.0
        plant.fruits.append(Fruit(FRUITS_PER_TRUSS, 0.02, 0.05 * FRUITS_PER_TRUSS))
