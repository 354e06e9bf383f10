"""The tent as differential equations: heat, vapour, CO2, light, leaf, two soil zones. Richer than the planner's model.

Each step of at most `STEP_S` solves the stiff balances (air heat, vapour, CO2, soil heat, drainage) exactly for
coefficients frozen over the step, so the step may be longer than the air's own time constant.
Sources: transpiration Stanghellini (1987) with the stomatal response in the form of Vanthoor et al. (2011);
linearised leaf energy balance as in Monteith and Unsworth (2013, ch. 13); canopy light response a rectangular
hyperbola (Acock et al. 1978); uptake reduction Feddes et al. (1978); saturation pressure Buck (1981).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import exp
from operator import attrgetter

from shared_schemas.devices import GAS, LAMP, MAT, MIST, PUMP, STIRRER, VENT
from tomato_host.brain.psychrometrics import saturation_pa
from tomato_host.twin import growth
from tomato_host.twin.params import TentParams

STEP_S = 10.0
SLOW_STEP_S = 300.0

RHO_CP = 1_206.0  # J m-3 K-1, air
LATENT_J_G = 2_450.0
GAMMA_PA_K = 65.8
VAPOUR_G_K_PER_J = 2.1667  # g m-3 per Pa, times 1/T
PPM_PER_G_M3 = 546.0  # CO2 at 20 degC and 1013 hPa
PAR_J_PER_UMOL = 0.2174

LAMP_ON, STIRRING, VENTING, MISTING, HEATING, PUMPING, DOSING = (
    1 << row.wire_id for row in (LAMP, STIRRER, VENT, MIST, MAT, PUMP, GAS)
)
"""Bits of the outputs by what they do to the tent; an output that is none of these does nothing to it."""


def saturation_g_m3(temp_c: float) -> float:
    """Saturation vapour density, g per m3."""
    return VAPOUR_G_K_PER_J * saturation_pa(temp_c) / (temp_c + 273.15)


@dataclass(frozen=True, slots=True)
class Outside:
    """The air around the tent: the room's, or the open air around a greenhouse."""

    temp_c: float
    vapour_g_m3: float
    co2_ppm: float = 450.0
    solar_w_m2: float = 0.0
    leak_factor: float = 1.0
    """Multiplies the leakage; wind or an open door."""

    @property
    def rh_pct(self) -> float:
        return min(100.0, 100.0 * self.vapour_g_m3 / saturation_g_m3(self.temp_c))


@dataclass(slots=True)
class Truth:
    """The state no sensor sees exactly. Temperatures degC, densities g/m3, water ml, theta m3 per m3."""

    air_c: float
    vapour_g_m3: float
    co2_ppm: float
    leaf_c: float
    soil_c: float
    theta_1: float
    theta_2: float
    reservoir_ml: float
    ppfd_umol: float = 0.0
    lux: float = 0.0
    tray_ml: float = 0.0
    floor_ml: float = 0.0
    transpired_ml: float = 0.0
    assimilated_g: float = 0.0
    pumped_ml: float = 0.0
    drained_ml: float = 0.0
    stress: float = 1.0

    @property
    def rh_pct(self) -> float:
        return min(100.0, 100.0 * self.vapour_g_m3 / saturation_g_m3(self.air_c))

    @property
    def vpd_kpa(self) -> float:
        """Vapour pressure deficit of the air, kPa."""
        return saturation_pa(self.air_c) * (1.0 - self.rh_pct / 100.0) / 1_000.0


_TRUTH_FIELDS = tuple(field.name for field in fields(Truth))
_truth_values = attrgetter(*_TRUTH_FIELDS)
TentState = tuple[tuple[float, ...], tuple[float, float, float]]


class TentPhysics:
    """One tent with its plants. `advance` moves it on; `truth` is its state; nothing in it looks at a clock."""

    def __init__(self, params: TentParams | None = None, seed: int = 0) -> None:
        """`params` defaults to the standard tent; `seed` shifts the start state a little, nothing else."""
        self.params = p = params or TentParams()
        shift = ((seed * 2_654_435_761) % 1_000) / 1_000.0 - 0.5
        air_c = 21.0 + shift
        theta = p.theta_0 + 0.02 * shift
        self.plant = growth.planted(p.lai_0, p.fruit_load_0, p.floor_m2)
        self._truth = Truth(
            air_c, 0.6 * saturation_g_m3(air_c), 480.0, air_c - 0.3, air_c - 0.5, theta, theta - 0.01, p.reservoir_ml
        )
        self._slow_s = 0.0
        self._slow_co2_g = 0.0
        self._slow_leaf = 0.0
        # What params derive anew at each look, and what changes only with growth, ventilation or the length of a step.
        self._floor_m2, self._volume_m3, self._lamp_ppfd = p.floor_m2, p.volume_m3, p.lamp_ppfd
        self._wall_w_k = p.wall_u_w_m2k * p.wall_m2
        self._caught_at_lai, self._caught = -1.0, 0.0
        self._vented = (-1.0, -1.0, 0.0, 0.0)
        self._timed = (-1.0, 0.0, 0.0)
        self._saturated = (air_c, saturation_pa(air_c))
        self._maintenance_g_s = growth.maintenance_g_s(self.plant, air_c)
        self.pump_factor = 1.0
        """Share of its flow that the pump delivers (0: clogged)."""
        self.spill_factor = 0.0
        """Share of the pumped water that ends on the floor (a hose come loose)."""
        self.drip_ml_s = 0.0
        """Flow without pump: a valve that does not close, ml/s."""
        self.dead_outputs = 0
        """Outputs (bits) whose part does nothing though its relay switches: a burnt-out lamp, an empty humidifier."""

    def truth(self) -> Truth:
        """The live state; a caller that wants to keep it copies it."""
        return self._truth

    def slow_step_within(self, dt_s: float) -> bool:
        """Whether the plant itself grows on within the next `dt_s` seconds."""
        return self._slow_s + dt_s >= SLOW_STEP_S - 1.0

    def state(self) -> TentState:
        """What `advance` changes between two slow steps, to be put back by `restore`."""
        return _truth_values(self._truth), (self._slow_s, self._slow_co2_g, self._slow_leaf)

    def restore(self, state: TentState) -> None:
        """Go back to an earlier `state`; no slow step may have been taken since."""
        truth, (self._slow_s, self._slow_co2_g, self._slow_leaf) = state
        for name, value in zip(_TRUTH_FIELDS, truth, strict=True):
            setattr(self._truth, name, value)

    def water_rate_ml_s(self, outputs: int) -> float:
        """What the flow meter sees now, ml/s."""
        if self._truth.reservoir_ml <= 0.0:
            return 0.0
        return (self.params.pump_ml_s * self.pump_factor if outputs & PUMPING else 0.0) + self.drip_ml_s

    def advance(self, dt_s: float, outputs: int, outside: Outside) -> None:
        """Move on by `dt_s` seconds with `outputs` (bit = wire_id of shared_schemas.devices) held as they are."""
        outputs &= ~self.dead_outputs
        while dt_s > 1e-9:
            step = STEP_S if dt_s > STEP_S else dt_s
            self._step(step, outputs, outside)
            dt_s -= step

    def _step(self, dt: float, outputs: int, outside: Outside) -> None:
        p, s, plant = self.params, self._truth, self.plant
        air_c, lai, floor = s.air_c, plant.lai, self._floor_m2
        lamp_on = outputs & LAMP_ON
        solar_in = outside.solar_w_m2 * p.solar_transmission

        # Light: PAR at the canopy, what the leaves absorb of all short-wave.
        lamp_ppfd = self._lamp_ppfd if lamp_on else 0.0
        ppfd = lamp_ppfd + solar_in * 2.1
        s.ppfd_umol = ppfd
        s.lux = lamp_ppfd * p.lamp_lux_per_umol + solar_in * 2.1 * p.sun_lux_per_umol
        if lai != self._caught_at_lai:
            self._caught_at_lai, self._caught = lai, 1.0 - exp(-p.extinction * lai)
        caught = self._caught
        shortwave = lamp_ppfd * PAR_J_PER_UMOL + solar_in * 0.68  # half of sunlight is near infrared, mostly reflected
        absorbed_w_m2 = 0.9 * caught * shortwave

        # Leaf: conductances, linearised energy balance, transpiration. Watts per m2 floor.
        soil_1, soil_2 = _uptake(s.theta_1, p), _uptake(s.theta_2, p)
        stress = p.root_share_1 * soil_1 + (1.0 - p.root_share_1) * soil_2
        s.stress = stress
        known_c, es_air = self._saturated
        if known_c != air_c:
            es_air = saturation_pa(air_c)
        ea = s.vapour_g_m3 * (air_c + 273.15) / VAPOUR_G_K_PER_J
        deficit = es_air - ea
        r_boundary = p.r_boundary_stirred_s_m if outputs & STIRRING else p.r_boundary_s_m
        r_stomata = _stomata(p, shortwave, s.co2_ppm, deficit, stress)
        heat_w_k = 2.0 * lai * RHO_CP / r_boundary + 10.0 * caught  # both sides radiate
        vapour_w_pa = 2.0 * lai * RHO_CP / (GAMMA_PA_K * (r_boundary + r_stomata))
        slope = es_air * 4_217.0 / (air_c + 240.97) ** 2
        leaf_excess = (absorbed_w_m2 - vapour_w_pa * deficit) / (heat_w_k + vapour_w_pa * slope)
        leaf_c = air_c + leaf_excess
        latent_w_m2 = vapour_w_pa * (deficit + slope * leaf_excess)
        if latent_w_m2 < 0.0:
            latent_w_m2 = 0.0
        s.leaf_c = leaf_c
        transpired_g = latent_w_m2 * floor / LATENT_J_G * dt

        vent_m3_s = (p.leak_m3_h * outside.leak_factor + (p.exhaust_m3_h if outputs & VENTING else 0.0)) / 3_600.0
        evaporated_g = p.soil_evaporation_g_h / 3_600.0 * dt * min(1.0, deficit / 1_000.0) * soil_1
        if evaporated_g < 0.0:
            evaporated_g = 0.0
        mist_g_s = p.humidifier_g_h / 3_600.0 if outputs & MISTING else 0.0
        self._air(dt, outputs, outside, solar_in, vent_m3_s, transpired_g + evaporated_g, mist_g_s)
        self._carbon(dt, outputs, outside, vent_m3_s, ppfd * caught, stress)
        self._soil(dt, outputs, transpired_g, evaporated_g, soil_1, soil_2)

    def _air(
        self,
        dt: float,
        outputs: int,
        outside: Outside,
        solar_in: float,
        vent_m3_s: float,
        vapour_g: float,
        mist_g_s: float,
    ) -> None:
        p, s = self.params, self._truth
        vapour_g_s = vapour_g / dt
        heat_w = (p.lamp_w if outputs & LAMP_ON else 0.0) + solar_in * self._floor_m2
        heat_w += p.circulation_w if outputs & STIRRING else 0.0
        heat_w += 0.3 * p.exhaust_w if outputs & VENTING else 0.0
        heat_w -= LATENT_J_G * (vapour_g_s + mist_g_s)
        exchange = self._wall_w_k + RHO_CP * vent_m3_s
        soil_k = p.soil_exchange_w_k
        total = exchange + soil_k
        steady = (heat_w + exchange * outside.temp_c + soil_k * s.soil_c) / total
        air_keeps, vapour_keeps, soil_keeps = self._kept_over(dt, vent_m3_s, total)
        air_c = steady + (s.air_c - steady) * air_keeps

        heater_w = p.heater_w if outputs & HEATING else 0.0
        soil_steady = s.air_c + heater_w / soil_k
        s.soil_c = soil_steady + (s.soil_c - soil_steady) * soil_keeps

        # Vapour: ventilation against sources; beyond 98 % it condenses on the fabric.
        vapour = outside.vapour_g_m3 + (vapour_g_s + mist_g_s) / vent_m3_s
        saturated_pa = saturation_pa(air_c)
        self._saturated = (air_c, saturated_pa)
        s.vapour_g_m3 = min(
            vapour + (s.vapour_g_m3 - vapour) * vapour_keeps,
            0.98 * (VAPOUR_G_K_PER_J * saturated_pa / (air_c + 273.15)),
        )
        s.air_c = air_c

    def _kept_over(self, dt: float, vent_m3_s: float, total_w_k: float) -> tuple[float, float, float]:
        """Shares of their distance from balance that air heat, vapour and soil heat keep over a step."""
        p = self.params
        if self._timed[0] != dt:
            self._timed = (dt, exp(-p.soil_exchange_w_k * dt / p.soil_heat_j_k), 1.0 - exp(-dt / p.drain_tau_s))
            self._vented = (-1.0, -1.0, 0.0, 0.0)
        vented_m3_s, at_w_k, air, vapour = self._vented
        if vented_m3_s != vent_m3_s or at_w_k != total_w_k:
            air, vapour = exp(-total_w_k * dt / p.heat_capacity_j_k), exp(-vent_m3_s * dt / self._volume_m3)
            self._vented = (vent_m3_s, total_w_k, air, vapour)
        return air, vapour, self._timed[1]

    def _carbon(
        self, dt: float, outputs: int, outside: Outside, vent_m3_s: float, absorbed_umol: float, stress: float
    ) -> None:
        p, s = self.params, self._truth
        co2, leaf_c = s.co2_ppm, s.leaf_c
        gross = 0.0
        if absorbed_umol > 0.0:
            warm = 1.0 - ((leaf_c - 24.0) / 18.0) ** 2
            light = p.photon_yield * absorbed_umol
            dark = p.canopy_conductance * co2 * max(0.0, warm) * stress
            gross = light * dark / (light + dark)  # umol m-2 s-1
        fixed_g_s = gross * 44e-6 * self._floor_m2
        net_g_s = fixed_g_s - self._maintenance_g_s / growth.CH2O_PER_CO2
        dose_g_s = p.co2_g_s if outputs & DOSING else 0.0
        # The uptake is proportional to CO2 over the step, so that a sealed tent runs down to zero and not below.
        uptake_m3_s = fixed_g_s * PPM_PER_G_M3 / co2 if co2 > 1.0 else 0.0
        respired_g_s = fixed_g_s - net_g_s
        loss = vent_m3_s + uptake_m3_s
        steady = (vent_m3_s * outside.co2_ppm + (dose_g_s + respired_g_s) * PPM_PER_G_M3) / loss
        s.co2_ppm = steady + (co2 - steady) * exp(-loss * dt / self._volume_m3)
        s.assimilated_g += fixed_g_s * dt
        self._slow_s += dt
        self._slow_co2_g += net_g_s * dt
        self._slow_leaf += leaf_c * dt
        if self._slow_s >= SLOW_STEP_S:
            self._grow(stress)

    def _grow(self, stress: float) -> None:
        p = self.params
        leaf_c = self._slow_leaf / self._slow_s
        growth.grow(self.plant, self._slow_s, self._slow_co2_g, leaf_c, stress, p.floor_m2, p.lai_max, p.plants)
        self._maintenance_g_s = growth.maintenance_g_s(self.plant, leaf_c)
        self._slow_s = self._slow_co2_g = self._slow_leaf = 0.0

    def _soil(
        self, dt: float, outputs: int, transpired_g: float, evaporated_g: float, soil_1: float, soil_2: float
    ) -> None:
        """Water of the two zones: drip in, roots and evaporation out, drainage above container capacity."""
        p, s = self.params, self._truth
        pot_ml = p.pot_l * 1_000.0
        arrived_1 = arrived_2 = 0.0
        if s.reservoir_ml > 0.0 and (outputs & PUMPING or self.drip_ml_s):
            water = min(self.water_rate_ml_s(outputs) * dt, s.reservoir_ml)
            s.reservoir_ml -= water
            s.pumped_ml += water
            spilt = water * self.spill_factor
            s.floor_ml += spilt
            arrived_1 = (water - spilt) * p.drip_share_1
            arrived_2 = water - spilt - arrived_1
        weight_1 = p.root_share_1 * soil_1
        weight_2 = (1.0 - p.root_share_1) * soil_2
        weights = weight_1 + weight_2
        taken_1 = transpired_g * weight_1 / weights if weights > 0.0 else 0.0
        taken_2 = transpired_g - taken_1 if weights > 0.0 else 0.0
        s.transpired_ml += taken_1 + taken_2
        drain = self._timed[2]
        s.theta_1, out_1 = _zone(s.theta_1, (arrived_1 - taken_1 - 0.5 * evaporated_g) / pot_ml, drain, p)
        s.theta_2, out_2 = _zone(s.theta_2, (arrived_2 - taken_2 - 0.5 * evaporated_g) / pot_ml, drain, p)
        drained = (out_1 + out_2) * pot_ml
        if drained > 0.0:
            s.drained_ml += drained
            s.tray_ml += drained
            if s.tray_ml > p.tray_ml:
                s.floor_ml += s.tray_ml - p.tray_ml
                s.tray_ml = p.tray_ml


def _uptake(theta: float, p: TentParams) -> float:
    """Reduction of uptake, 0..1: dry on one side, without air on the other."""
    if theta < p.theta_stress:
        return max(0.0, (theta - p.theta_wilting) / (p.theta_stress - p.theta_wilting))
    if theta > 0.93 * p.theta_saturation:
        return 0.6
    return 1.0


def _zone(theta: float, gained: float, drain: float, p: TentParams) -> tuple[float, float]:
    """New water content and what ran out of the zone, both as a share of its volume."""
    theta += gained
    out = 0.0
    if theta > p.theta_saturation:
        out = theta - p.theta_saturation
        theta = p.theta_saturation
    if theta > p.theta_capacity:
        loss = (theta - p.theta_capacity) * drain
        theta -= loss
        out += loss
    return max(0.02, theta), out


def _stomata(p: TentParams, shortwave: float, co2_ppm: float, deficit_pa: float, stress: float) -> float:
    """Stomatal resistance, s/m (Vanthoor et al. 2011, eqs. 8.46-8.51; Stanghellini 1987 for the constants)."""
    light = (shortwave + 4.3) / (shortwave + 0.54)
    day = shortwave > 5.0
    carbon = 1.0 + (6.1e-7 if day else 1.1e-11) * min(co2_ppm - 200.0, 900.0) ** 2
    dry = 1.0 + (4.3e-6 if day else 5.2e-6) * min(max(deficit_pa, 0.0), 1_200.0) ** 2
    return p.r_stomata_min_s_m * light * carbon * min(dry, 3.8) / max(stress, 0.05)
