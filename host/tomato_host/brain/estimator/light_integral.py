"""Light: illuminance to photon flux by kind of lamp, and the daily light integral.

A lux meter weighs light as the human eye does, a leaf counts photons between 400 and 700 nm, so the factor depends
on the spectrum. Sunlight: 0.0185 umol m-2 s-1 per lx (R. W. Thimijan and R. D. Heins, "Photometric, radiometric and
quantum light units of measure", HortScience 18 (1983) 818-822, table 3: 54 lx per umol); lamps from the same table
(high-pressure sodium 82, metal halide 71, cool white fluorescent 74 lx per umol). LEDs differ by product: white LEDs
lie near 65-70 lx per umol, red-blue ("blurple") LEDs near 20, where a lux meter is a poor judge at all; measure yours
with a quantum sensor once and set `lux_per_umol` when the yield matters.
"""

from __future__ import annotations

from typing import Final, Literal

Lamp = Literal["sun", "white_led", "red_blue_led", "high_pressure_sodium", "metal_halide", "fluorescent"]

LUX_PER_UMOL: Final[dict[str, float]] = {
    "sun": 54.0,
    "white_led": 67.0,
    "red_blue_led": 20.0,
    "high_pressure_sodium": 82.0,
    "metal_halide": 71.0,
    "fluorescent": 74.0,
}
"""Illuminance in lx that goes with a photon flux of 1 umol m-2 s-1, by kind of light."""


def ppfd_umol_m2_s(light_lux: float, lux_per_umol: float) -> float:
    """Photosynthetic photon flux density in umol m-2 s-1. Refuses negative, NaN and infinite light with ValueError."""
    if not 0.0 <= light_lux < float("inf"):
        raise ValueError(f"illuminance {light_lux} lx must be finite and not negative")
    return light_lux / lux_per_umol


class DailyLightIntegral:
    """mol m-2 since local midnight, by the trapezoidal rule over the samples.

    A gap longer than `longest_gap_s` is not bridged: an hour without a reading adds nothing, because the lamp may
    have been off. The caller says when the local day turns.
    """

    __slots__ = ("_last_ppfd", "_last_s", "_longest_gap_s", "_lux_per_umol", "mol_m2")

    def __init__(self, lux_per_umol: float, longest_gap_s: float = 2_700.0) -> None:
        self._lux_per_umol = lux_per_umol
        self._longest_gap_s = longest_gap_s
        self._last_s: float | None = None
        self._last_ppfd = 0.0
        self.mol_m2 = 0.0

    def new_day(self) -> None:
        """Start again from zero; the last sample stays as the first corner of the next trapezoid."""
        self.mol_m2 = 0.0

    def update(self, t_s: float, light_lux: float) -> None:
        """Add the light since the last sample. `t_s` in seconds, growing."""
        ppfd = light_lux / self._lux_per_umol
        if self._last_s is not None and t_s - self._last_s <= self._longest_gap_s:
            self.mol_m2 += 0.5e-6 * (ppfd + self._last_ppfd) * (t_s - self._last_s)
        self._last_s = t_s
        self._last_ppfd = ppfd
