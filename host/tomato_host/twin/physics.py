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
MOST_LENGTHS = 64
"""Lengths of steps whose shares are kept: nearly all steps have one of a few."""

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
        self._held = _Held(p, self.plant.lai, Outside(air_c, 0.0))
        self._saturated = (air_c, saturation_pa(air_c))
        self._respired_g_s = growth.maintenance_g_s(self.plant, air_c) / growth.CH2O_PER_CO2
        self.pump_factor = 1.0
        """Share of its flow that the pump delivers (0: clogged)."""
        self.spill_factor = 0.0
        """Share of the pumped water that ends on the floor (a hose come loose)."""
        self.drip_share_1 = p.drip_share_1
        """Share of the water that reaches zone 1, as the drippers are set."""
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
        k, s = self._held, self._truth
        if k.outputs != outputs or k.outside is not outside or k.dt != dt or k.lai != self.plant.lai:
            k.hold(self.params, self.plant.lai, dt, outputs, outside)
        s.ppfd_umol, s.lux = k.ppfd, k.lux

        # Leaf: conductances, linearised energy balance, transpiration. Watts per m2 floor.
        air_c = s.air_c
        soil_1, soil_2 = _uptake(s.theta_1, k), _uptake(s.theta_2, k)
        s.stress = stress = k.root_share_1 * soil_1 + k.root_share_2 * soil_2
        known_c, es_air = self._saturated
        if known_c != air_c:
            es_air = saturation_pa(air_c)
        deficit = es_air - s.vapour_g_m3 * (air_c + 273.15) / VAPOUR_G_K_PER_J
        vapour_w_pa = k.leaf_w_m3_k / (GAMMA_PA_K * (k.r_boundary + _stomata(k, s.co2_ppm, deficit, stress)))
        slope = es_air * 4_217.0 / (air_c + 240.97) ** 2
        leaf_excess = (k.absorbed_w_m2 - vapour_w_pa * deficit) / (k.heat_w_k + vapour_w_pa * slope)
        s.leaf_c = air_c + leaf_excess
        latent_w_m2 = vapour_w_pa * (deficit + slope * leaf_excess)
        transpired_g = latent_w_m2 * k.floor_m2 / LATENT_J_G * dt if latent_w_m2 > 0.0 else 0.0
        share = deficit / 1_000.0
        evaporated_g = k.evaporable_g * (share if share < 1.0 else 1.0) * soil_1
        if evaporated_g < 0.0:
            evaporated_g = 0.0

        self._air(k, (transpired_g + evaporated_g) / dt)
        self._carbon(k, stress)
        self._soil(k, transpired_g, evaporated_g, soil_1, soil_2)

    def _air(self, k: _Held, vapour_g_s: float) -> None:
        """Heat of air and soil, and vapour: ventilation against sources; beyond 98 % it condenses on the fabric."""
        s = self._truth
        vapour_g_s += k.mist_g_s
        old_c, soil_c = s.air_c, s.soil_c
        steady = (k.heat_w - LATENT_J_G * vapour_g_s + k.from_outside_w + k.soil_w_k * soil_c) / k.exchange_w_k
        air_c = steady + (old_c - steady) * k.air_keeps
        soil_steady = old_c + k.heated_k
        s.soil_c = soil_steady + (soil_c - soil_steady) * k.soil_keeps
        vapour = k.outside.vapour_g_m3 + vapour_g_s / k.vent_m3_s
        saturated_pa = saturation_pa(air_c)
        self._saturated = (air_c, saturated_pa)
        vapour += (s.vapour_g_m3 - vapour) * k.vapour_keeps
        most = 0.98 * (VAPOUR_G_K_PER_J * saturated_pa / (air_c + 273.15))
        s.vapour_g_m3 = most if most < vapour else vapour
        s.air_c = air_c

    def _carbon(self, k: _Held, stress: float) -> None:
        s, dt = self._truth, k.dt
        co2, leaf_c = s.co2_ppm, s.leaf_c
        fixed_g_s = 0.0
        if k.absorbed_umol > 0.0:
            warm = 1.0 - ((leaf_c - 24.0) / 18.0) ** 2
            dark = k.canopy_conductance * co2 * (warm if warm > 0.0 else 0.0) * stress
            gross = k.light_umol * dark / (k.light_umol + dark)  # umol m-2 s-1
            fixed_g_s = gross * 44e-6 * k.floor_m2
        net_g_s = fixed_g_s - self._respired_g_s
        # The uptake is proportional to CO2 over the step, so that a sealed tent runs down to zero and not below.
        loss = k.vent_m3_s + (fixed_g_s * PPM_PER_G_M3 / co2 if co2 > 1.0 else 0.0)
        steady = (k.carried_in + (k.dose_g_s + (fixed_g_s - net_g_s)) * PPM_PER_G_M3) / loss
        s.co2_ppm = steady + (co2 - steady) * exp(-loss * dt / k.volume_m3)
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
        self._respired_g_s = growth.maintenance_g_s(self.plant, leaf_c) / growth.CH2O_PER_CO2
        self._slow_s = self._slow_co2_g = self._slow_leaf = 0.0

    def _soil(self, k: _Held, transpired_g: float, evaporated_g: float, soil_1: float, soil_2: float) -> None:
        """Water of the two zones: drip in, roots and evaporation out, drainage above container capacity."""
        p, s, pot_ml = self.params, self._truth, k.pot_ml
        arrived_1 = arrived_2 = 0.0
        if (k.outputs & PUMPING or self.drip_ml_s) and s.reservoir_ml > 0.0:
            water = min(self.water_rate_ml_s(k.outputs) * k.dt, s.reservoir_ml)
            s.reservoir_ml -= water
            s.pumped_ml += water
            spilt = water * self.spill_factor
            s.floor_ml += spilt
            arrived_1 = (water - spilt) * self.drip_share_1
            arrived_2 = water - spilt - arrived_1
        weight_1 = k.root_share_1 * soil_1
        weights = weight_1 + k.root_share_2 * soil_2
        taken_1 = transpired_g * weight_1 / weights if weights > 0.0 else 0.0
        taken_2 = transpired_g - taken_1 if weights > 0.0 else 0.0
        s.transpired_ml += taken_1 + taken_2
        evaporated_g *= 0.5
        s.theta_1, out_1 = _zone(s.theta_1 + (arrived_1 - taken_1 - evaporated_g) / pot_ml, k)
        s.theta_2, out_2 = _zone(s.theta_2 + (arrived_2 - taken_2 - evaporated_g) / pot_ml, k)
        drained = (out_1 + out_2) * pot_ml
        if drained > 0.0:
            s.drained_ml += drained
            s.tray_ml += drained
            if s.tray_ml > p.tray_ml:
                s.floor_ml += s.tray_ml - p.tray_ml
                s.tray_ml = p.tray_ml


class _Held:
    """What a step takes from its conditions alone: worked out once, used until one of them is another."""

    __slots__ = (
        "absorbed_umol", "absorbed_w_m2", "air_keeps", "by_dt", "canopy_conductance", "carbon_slope", "carried_in",
        "dose_g_s", "drain", "dry_slope", "dt", "evaporable_g", "exchange_w_k", "floor_m2", "from_outside_w",
        "heat_w", "heat_w_k", "heated_k", "lai", "lamp_ppfd", "leaf_w_m3_k", "light_umol", "lux", "mist_g_s",
        "outer_w_k", "outputs", "outside", "pot_ml", "ppfd", "r_boundary", "r_stomata", "root_share_1",
        "root_share_2", "soil_keeps", "soil_w_k", "theta_airless", "theta_capacity", "theta_saturation",
        "theta_stress", "theta_wilting", "usable", "vapour_keeps", "vent_m3_s", "volume_m3", "wall_w_k",
    )  # fmt: skip

    def __init__(self, p: TentParams, lai: float, outside: Outside) -> None:
        self.lai, self.dt, self.outputs, self.outside = lai, STEP_S, 0, outside
        self.floor_m2, self.volume_m3, self.pot_ml = p.floor_m2, p.volume_m3, p.pot_l * 1_000.0
        self.lamp_ppfd, self.wall_w_k, self.soil_w_k = p.lamp_ppfd, p.wall_u_w_m2k * p.wall_m2, p.soil_exchange_w_k
        self.canopy_conductance = p.canopy_conductance
        self.root_share_1, self.root_share_2 = p.root_share_1, 1.0 - p.root_share_1
        self.theta_wilting, self.theta_stress = p.theta_wilting, p.theta_stress
        self.usable, self.theta_airless = p.theta_stress - p.theta_wilting, 0.93 * p.theta_saturation
        self.theta_capacity, self.theta_saturation = p.theta_capacity, p.theta_saturation
        self.by_dt: dict[float, tuple[float, float, float, float, float]] = {}
        self._light(p)
        self._exchange(p)
        self._time(p)

    def hold(self, p: TentParams, lai: float, dt: float, outputs: int, outside: Outside) -> None:
        """Work out anew what depends on a condition that is another now."""
        last, switched = self.outside, outputs != self.outputs
        lit = switched or lai != self.lai or outside.solar_w_m2 != last.solar_w_m2
        vented = switched or outside.leak_factor != last.leak_factor
        timed = vented or dt != self.dt
        self.lai, self.dt, self.outputs, self.outside = lai, dt, outputs, outside
        if lit:
            self._light(p)
        if vented:
            self._exchange(p)
        if timed:
            self._time(p)
        self.carried_in = self.vent_m3_s * outside.co2_ppm
        self.from_outside_w = self.outer_w_k * outside.temp_c

    def _light(self, p: TentParams) -> None:
        """PAR at the canopy, what the leaves absorb of all short-wave, and what follows for leaf and stomata."""
        outputs, lai = self.outputs, self.lai
        solar_in = self.outside.solar_w_m2 * p.solar_transmission
        lamp_ppfd = self.lamp_ppfd if outputs & LAMP_ON else 0.0
        self.ppfd = lamp_ppfd + solar_in * 2.1
        self.lux = lamp_ppfd * p.lamp_lux_per_umol + solar_in * 2.1 * p.sun_lux_per_umol
        caught = 1.0 - exp(-p.extinction * lai)
        # Half of sunlight is near infrared, mostly reflected.
        shortwave = lamp_ppfd * PAR_J_PER_UMOL + solar_in * 0.68
        self.absorbed_w_m2 = 0.9 * caught * shortwave
        self.absorbed_umol = self.ppfd * caught
        self.light_umol = p.photon_yield * self.absorbed_umol
        self.r_boundary = p.r_boundary_stirred_s_m if outputs & STIRRING else p.r_boundary_s_m
        self.leaf_w_m3_k = 2.0 * lai * RHO_CP
        self.heat_w_k = self.leaf_w_m3_k / self.r_boundary + 10.0 * caught  # both sides radiate
        self.r_stomata = p.r_stomata_min_s_m * ((shortwave + 4.3) / (shortwave + 0.54))
        day = shortwave > 5.0
        self.carbon_slope, self.dry_slope = (6.1e-7, 4.3e-6) if day else (1.1e-11, 5.2e-6)
        heat_w = (p.lamp_w if outputs & LAMP_ON else 0.0) + solar_in * self.floor_m2
        heat_w += p.circulation_w if outputs & STIRRING else 0.0
        self.heat_w = heat_w + (0.3 * p.exhaust_w if outputs & VENTING else 0.0)

    def _exchange(self, p: TentParams) -> None:
        """Ventilation, walls and soil, and what the outputs add."""
        outputs, outside = self.outputs, self.outside
        vent_m3_h = p.leak_m3_h * outside.leak_factor + (p.exhaust_m3_h if outputs & VENTING else 0.0)
        self.vent_m3_s = vent_m3_h / 3_600.0
        self.mist_g_s = p.humidifier_g_h / 3_600.0 if outputs & MISTING else 0.0
        self.dose_g_s = p.co2_g_s if outputs & DOSING else 0.0
        self.heated_k = (p.heater_w if outputs & HEATING else 0.0) / self.soil_w_k
        self.outer_w_k = self.wall_w_k + RHO_CP * self.vent_m3_s
        self.exchange_w_k = self.outer_w_k + self.soil_w_k
        self.by_dt.clear()
        self.carried_in = self.vent_m3_s * outside.co2_ppm
        self.from_outside_w = self.outer_w_k * outside.temp_c

    def _time(self, p: TentParams) -> None:
        """Shares of their distance from balance that heat, vapour and water keep over a step, or lose."""
        dt = self.dt
        shares = self.by_dt.get(dt)
        if shares is None:
            if len(self.by_dt) > MOST_LENGTHS:
                self.by_dt.clear()
            shares = self.by_dt[dt] = (
                p.soil_evaporation_g_h / 3_600.0 * dt,
                1.0 - exp(-dt / p.drain_tau_s),
                exp(-self.exchange_w_k * dt / p.heat_capacity_j_k),
                exp(-self.vent_m3_s * dt / self.volume_m3),
                exp(-p.soil_exchange_w_k * dt / p.soil_heat_j_k),
            )
        self.evaporable_g, self.drain, self.air_keeps, self.vapour_keeps, self.soil_keeps = shares


def _uptake(theta: float, k: _Held) -> float:
    """Reduction of uptake, 0..1: dry on one side, without air on the other."""
    if theta < k.theta_stress:
        return max(0.0, (theta - k.theta_wilting) / k.usable)
    return 0.6 if theta > k.theta_airless else 1.0


def _zone(theta: float, k: _Held) -> tuple[float, float]:
    """New water content of a zone that has gained water, and what ran out of it, both as a share of its volume."""
    out = 0.0
    if theta > k.theta_saturation:
        out = theta - k.theta_saturation
        theta = k.theta_saturation
    if theta > k.theta_capacity:
        loss = (theta - k.theta_capacity) * k.drain
        theta -= loss
        out += loss
    return theta if theta > 0.02 else 0.02, out


def _stomata(k: _Held, co2_ppm: float, deficit_pa: float, stress: float) -> float:
    """Stomatal resistance, s/m (Vanthoor et al. 2011, eqs. 8.46-8.51; Stanghellini 1987 for the constants)."""
    above = co2_ppm - 200.0
    carbon = 1.0 + k.carbon_slope * (above if above < 900.0 else 900.0) ** 2
    if deficit_pa < 0.0:
        deficit_pa = 0.0
    dry = 1.0 + k.dry_slope * (deficit_pa if deficit_pa < 1_200.0 else 1_200.0) ** 2
    return k.r_stomata * carbon * (dry if dry < 3.8 else 3.8) / (stress if stress > 0.05 else 0.05)
