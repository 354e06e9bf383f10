"""What a tent is made of: sizes, powers, resistances. One frozen table, and how it varies from tent to tent."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

Place = Literal["room", "greenhouse"]


@dataclass(frozen=True, slots=True)
class TentParams:
    """One tent with its plants. Defaults: 0.8 x 0.8 x 1.6 m in a room, 100 W lamp, two tomato plants of LAI 2 together.

    Sources: resistances and response constants Stanghellini (1987) and Vanthoor et al. (2011, electronic appendix);
    substrate limits for a peat-perlite mix de Boodt and Verdonck (1972); fan, lamp and humidifier figures from the
    data sheets of common hobby parts.
    """

    place: Place = "room"
    width_m: float = 0.8
    depth_m: float = 0.8
    height_m: float = 1.6
    heat_capacity_j_k: float = 9_000.0
    """Air, fabric, frame, lamp body and leaves together."""
    wall_u_w_m2k: float = 3.2
    leak_m3_h: float = 7.0
    exhaust_m3_h: float = 80.0
    circulation_w: float = 4.0
    exhaust_w: float = 8.0
    solar_transmission: float = 0.0
    """Share of outside global radiation that reaches the canopy (a tent is opaque)."""

    lamp_w: float = 100.0
    lamp_umol_per_j: float = 2.6
    lamp_utilisation: float = 0.75
    """Share of the lamp's photons that reach the canopy area."""
    lamp_lux_per_umol: float = 67.0
    sun_lux_per_umol: float = 54.0
    humidifier_g_h: float = 230.0
    heater_w: float = 20.0
    co2_g_s: float = 0.02
    pump_ml_s: float = 20.0
    drip_share_1: float = 0.52
    """Share of the pumped water that goes to zone 1."""

    reservoir_ml: float = 20_000.0
    reservoir_low_ml: float = 1_500.0
    refill_every_d: float = 7.0
    """A person fills the reservoir this often; the one thing the board cannot do."""

    plants: int = 2
    lai_0: float = 2.0
    lai_max: float = 3.0
    """Older leaves are picked above this."""
    fruit_load_0: int = 24
    r_boundary_s_m: float = 275.0
    r_boundary_stirred_s_m: float = 190.0
    r_stomata_min_s_m: float = 150.0
    extinction: float = 0.75
    photon_yield: float = 0.055
    """mol CO2 per mol absorbed photons at the origin of the canopy's light response."""
    canopy_conductance: float = 0.085
    """umol m-2 s-1 per ppm CO2: the slope at saturating light."""

    pot_l: float = 8.0
    """Substrate volume of each of the two zones."""
    theta_saturation: float = 0.62
    theta_capacity: float = 0.46
    theta_stress: float = 0.24
    """Uptake falls linearly from here ..."""
    theta_wilting: float = 0.08
    """... to nothing here (Feddes et al. 1978)."""
    theta_0: float = 0.40
    drain_tau_s: float = 1_200.0
    root_share_1: float = 0.5
    soil_exchange_w_k: float = 2.0
    soil_heat_j_k: float = 40_000.0
    soil_evaporation_g_h: float = 4.0
    tray_ml: float = 6_000.0
    """Drained water the tray holds until the next refill day, when it is emptied too."""

    @property
    def floor_m2(self) -> float:
        return self.width_m * self.depth_m

    @property
    def volume_m3(self) -> float:
        return self.floor_m2 * self.height_m

    @property
    def wall_m2(self) -> float:
        return 2.0 * self.height_m * (self.width_m + self.depth_m) + self.floor_m2

    @property
    def lamp_ppfd(self) -> float:
        """umol m-2 s-1 on the canopy under the lamp alone."""
        return self.lamp_w * self.lamp_umol_per_j * self.lamp_utilisation / self.floor_m2

    @classmethod
    def sample(cls, seed: int, base: TentParams | None = None) -> TentParams:
        """A tent as another gardener would have built it: every uncertain figure varied, the same for the same seed."""
        tent = base or cls()
        rng = random.Random(f"tent-{seed}")
        varied = {name: getattr(tent, name) * rng.uniform(1.0 - spread, 1.0 + spread) for name, spread in _SPREADS}
        varied["drip_share_1"] = min(0.65, max(0.35, rng.gauss(tent.drip_share_1, 0.05)))
        varied["root_share_1"] = min(0.65, max(0.35, rng.gauss(tent.root_share_1, 0.05)))
        return replace(tent, **varied)

    @classmethod
    def greenhouse(cls) -> TentParams:
        """A small glass compartment with daylight and 5 stems on 2 m2, for the check against greenhouse figures."""
        return cls(
            place="greenhouse",
            width_m=1.0,
            depth_m=2.0,
            height_m=2.5,
            heat_capacity_j_k=60_000.0,
            wall_u_w_m2k=6.0,
            leak_m3_h=8.0,
            exhaust_m3_h=300.0,
            solar_transmission=0.55,
            plants=5,
            lai_0=2.7,
            fruit_load_0=60,
            r_boundary_s_m=200.0,
            r_boundary_stirred_s_m=160.0,
            r_stomata_min_s_m=95.0,
            pot_l=25.0,
            reservoir_ml=1_000_000.0,
        )


_SPREADS: tuple[tuple[str, float], ...] = (
    ("heat_capacity_j_k", 0.25),
    ("wall_u_w_m2k", 0.2),
    ("leak_m3_h", 0.4),
    ("exhaust_m3_h", 0.3),
    ("lamp_w", 0.08),
    ("lamp_utilisation", 0.1),
    ("humidifier_g_h", 0.25),
    ("heater_w", 0.15),
    ("co2_g_s", 0.2),
    ("pump_ml_s", 0.1),
    ("lai_0", 0.3),
    ("r_boundary_s_m", 0.15),
    ("r_stomata_min_s_m", 0.2),
    ("photon_yield", 0.1),
    ("pot_l", 0.2),
    ("theta_capacity", 0.06),
    ("theta_stress", 0.1),
    ("theta_0", 0.1),
    ("drain_tau_s", 0.3),
    ("soil_exchange_w_k", 0.2),
    ("soil_heat_j_k", 0.2),
    ("soil_evaporation_g_h", 0.3),
)
"""Names and relative half-widths of what differs from tent to tent."""
