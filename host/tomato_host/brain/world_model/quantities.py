"""What is forecast: one line per quantity with its bounds, its companions and the physics that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["soil", "air_temp", "vpd", "leaf_vpd", "other"]

_LIMITS: dict[Kind, tuple[float, float]] = {
    "soil": (0.0, 100.0),
    "air_temp": (-40.0, 85.0),
    "vpd": (0.0, 12.0),
    "leaf_vpd": (0.0, 15.0),
    "other": (-1e9, 1e9),
}


@dataclass(frozen=True)
class Quantity:
    """One column that the model forecasts. `companions` are columns measured beside it that may explain it."""

    name: str
    kind: Kind
    companions: tuple[str, ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """Physical bounds in the quantity's own unit; no forecast leaves them."""
        return _LIMITS[self.kind]


def tent_quantities(probes: tuple[str, ...] = ("P1", "P2")) -> tuple[Quantity, ...]:
    """The quantities of a tent with these soil probes."""
    soil = tuple(Quantity(f"soil.{probe}", "soil", ("soil_temp_c",)) for probe in probes)
    return (
        *soil,
        Quantity("air_temp_c", "air_temp"),
        Quantity("vpd_kpa", "vpd", ("air_temp_c",)),
        Quantity("leaf_vpd_kpa", "leaf_vpd", ("vpd_kpa",)),
    )
