"""A published greenhouse model as our planner sees it: van Henten (2003), many plans at once, in closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SUBSTEPS = 1
"""The closed forms below are within 1 % of the gym's own RK4 in growth at one substep a step."""
PER_LIMIT = np.array([5e-5, 5e-5, 3e-3, 5e-3, 7e-4])
"""What the benchmark takes for each unit beyond its comfort limits, in the order of `Plant.beyond`."""
_GAS, _CO2, _WATER = 8.3144598, 0.04401, 0.01801528
"""J/(mol K) and kg/mol, the digits that the benchmark reads its limits with: 0.03 % of RH too much all day costs."""


@dataclass(frozen=True)
class Plant:
    """The balances of equations (2)-(11); coefficients by the gym's names."""

    c: dict[str, float]
    price: dict[str, float]
    dt: float

    def roll(self, x0: Array, plans: Array, weather: Array, value_per_kg: float) -> Array:
        """Return of plans [B, H, 3] from state x0 [4] under weather [4, H]; what has grown is worth `value_per_kg`."""
        beyond, dry = self.trace(x0, plans, weather)
        lost = np.einsum("hlb,l->b", np.maximum(beyond, 0.0), PER_LIMIT)
        return np.asarray(value_per_kg * (dry - x0[0]) - plans.sum(axis=1) @ self.cost_per_unit() - lost)

    def trace(self, x0: Array, plans: Array, weather: Array) -> tuple[Array, Array]:
        """How far each step ends beyond the comfort limits [H, 5, B], and the dry matter at the end in kg/m2 [B]."""
        state = tuple(np.full(len(plans), value) for value in x0)
        out = np.empty((plans.shape[1], len(PER_LIMIT), len(plans)))
        for k in range(plans.shape[1]):
            state = self.advance(state, plans[:, k], weather[:, k])
            out[k] = self.beyond(self.measured(state))
        return out, state[0]

    def cost_per_unit(self) -> Array:
        """Price of one step of one unit of each control [3]."""
        return np.array([self.price["co2"] * 1e-6, 0.0, self.price["energy"] / 3.6e6]) * self.dt

    def advance(self, state: tuple[Array, ...], controls: Array, weather: Array) -> tuple[Array, ...]:
        """One step of the plant under controls [B, 3]: mg/m2/s of gas, mm/s of ventilation, W/m2 of heat."""
        for _ in range(SUBSTEPS):
            dry, co2, temp, vapour = state
            gas, vent, heat = controls[:, 0] * 1e-6, controls[:, 1] * 1e-3, controls[:, 2]
            state = self._substep(dry, co2, temp, vapour, gas, vent, heat, weather)
        return state

    @staticmethod
    def measured(state: tuple[Array, ...]) -> Array:
        """What a grower reads [3, B]: CO2 in ppm, temperature in degC, relative humidity in %."""
        _, co2, temp, vapour = state
        kelvin = temp + 273.15
        saturated = _WATER * 610.78 * np.exp(17.2694 * temp / (temp + 238.3)) / (_GAS * kelvin)
        return np.stack([1e6 * _GAS * kelvin * co2 / (101_325.0 * _CO2), temp, 100.0 * vapour / saturated])

    @staticmethod
    def beyond(read: Array) -> Array:
        """Readings beyond the benchmark's soft limits [5, B]: 500-1600 ppm, 10-20 degC, at most 80 % RH."""
        ppm, temp, rh = read
        return np.stack([500.0 - ppm, ppm - 1_600.0, 10.0 - temp, temp - 20.0, rh - 80.0])

    def _substep(
        self,
        dry: Array,
        co2: Array,
        temp: Array,
        vapour: Array,
        u_co2: Array,
        u_vent: Array,
        u_heat: Array,
        weather: Array,
    ) -> tuple[Array, Array, Array, Array]:
        """Each balance is linear in its own state, so it is solved exactly with the others held."""
        c, h = self.c, self.dt / SUBSTEPS
        rad, out_co2, out_temp, out_vapour = weather
        loss = (c["cap_heat_vent"] * u_vent + c["heat_transfer_cover"]) / c["cap_heat"]
        steady = out_temp + (u_heat + c["rad_heat_load"] * rad) / (loss * c["cap_heat"])
        decay = np.exp(-loss * h)
        after = steady + (temp - steady) * decay
        mean = np.clip(steady + (temp - steady) * (1.0 - decay) / (loss * h), 5.0, 40.0)
        closure = 1.0 - np.exp(-c["canopy_surface"] * dry)
        breath = np.exp2(0.1 * mean - 2.5)
        exchange = u_vent + c["leak"]
        wet = closure * c["transp_coeff"]
        rate = wet + exchange
        # Vapour follows its steady value within minutes, and that moves with the temperature: take it as a ramp.
        first, last = ((wet * self._saturation(t) + exchange * out_vapour) / rate for t in (temp, after))
        kh = rate * h / c["cap_vapor"]
        decay = np.exp(-kh)
        vapour = last - (last - first) * (1.0 - decay) / kh + (vapour - first) * decay
        inside = -c["photo_co2_1"] * mean * mean + c["photo_co2_2"] * mean - c["photo_co2_3"]
        light = c["light_use_eff"] * rad
        above = co2 - c["co2_compensation"]
        per_co2 = closure * light * inside / (light + inside * above + 1e-30)
        rate = per_co2 + exchange
        supply = u_co2 + c["resp_co2"] * dry * breath + exchange * out_co2 + per_co2 * c["co2_compensation"]
        steady = supply / rate
        decay = np.exp(-rate * h / c["cap_co2"])
        mean_co2 = steady + (co2 - steady) * (1.0 - decay) / (rate * h / c["cap_co2"])
        co2 = np.clip(steady + (co2 - steady) * decay, 0.0, 0.004)
        above = mean_co2 - c["co2_compensation"]
        gross = closure * light * inside * above / (light + inside * above + 1e-30)
        dry = np.maximum(0.002, dry + h * (c["yield_factor"] * gross - c["resp_dry"] * dry * breath))
        return dry, co2, np.clip(after, 5.0, 40.0), np.clip(vapour, 0.0, 0.051)

    def _saturation(self, temp: Array) -> Array:
        """Saturated vapour density, kg/m3 (equation 10)."""
        c = self.c
        return np.asarray(
            c["sat_vp1"]
            / (c["gas_const_kmol"] * (temp + c["temp_abs"]))
            * np.exp(c["sat_vp2"] * temp / (temp + c["sat_vp3"]))
        )
