"""How a run went for the plant and for the bill, measured on the truth of the twin."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared_schemas.devices import LAMP, MAT, OUTPUTS
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import LAMP_ON
from tomato_host.twin.world import World

VPD_BAND_KPA = (0.5, 1.3)
"""Between too humid and too dry for tomato by day, with the margins of the stage table."""
AIR_BAND_C = (16.0, 29.0)
SOIL_BAND = (0.24, 0.50)
"""Below, uptake falls; above, roots lack air."""


@dataclass(slots=True)
class TentScore:
    """Sums over one run. Hours are world hours."""

    hours: float = 0.0
    light_h: float = 0.0
    vpd_ok_h: float = 0.0
    air_ok_h: float = 0.0
    soil_ok_h: float = 0.0
    stress_h: float = 0.0
    """Hours lost to drought: integral of 1 - uptake factor."""
    energy_kwh: float = 0.0
    air_max_c: float = -99.0
    air_min_c: float = 99.0
    soil_min: float = 1.0
    soil_max: float = 0.0
    _watts: dict[int, float] = field(default_factory=dict)

    def note(self, world: World, seconds: float) -> None:
        """Take the truth of this moment as that of the last `seconds`."""
        if not self._watts:
            self._watts = _watts(world.tent.params)
        truth, hours = world.tent.truth(), seconds / 3_600.0
        self.hours += hours
        if world.outputs & LAMP_ON:
            self.light_h += hours
            if VPD_BAND_KPA[0] <= truth.vpd_kpa <= VPD_BAND_KPA[1]:
                self.vpd_ok_h += hours
        if AIR_BAND_C[0] <= truth.air_c <= AIR_BAND_C[1]:
            self.air_ok_h += hours
        driest, wettest = min(truth.theta_1, truth.theta_2), max(truth.theta_1, truth.theta_2)
        if SOIL_BAND[0] <= driest and wettest <= SOIL_BAND[1]:
            self.soil_ok_h += hours
        self.stress_h += (1.0 - truth.stress) * hours
        self.energy_kwh += sum(w for bit, w in self._watts.items() if world.outputs & bit) * hours / 1_000.0
        self.air_max_c, self.air_min_c = max(self.air_max_c, truth.air_c), min(self.air_min_c, truth.air_c)
        self.soil_max, self.soil_min = max(self.soil_max, wettest), min(self.soil_min, driest)

    def row(self, world: World) -> dict[str, float | int | str]:
        """The figures of the run, flat, for a table."""
        truth, plant = world.tent.truth(), world.tent.plant
        return {
            "hours": round(self.hours, 3),
            "vpd_ok_share": round(self.vpd_ok_h / self.light_h, 4) if self.light_h else 0.0,
            "air_ok_share": round(self.air_ok_h / self.hours, 4) if self.hours else 0.0,
            "soil_ok_share": round(self.soil_ok_h / self.hours, 4) if self.hours else 0.0,
            "stress_h": round(self.stress_h, 3),
            "light_h": round(self.light_h, 2),
            "energy_kwh": round(self.energy_kwh, 3),
            "water_ml": round(truth.pumped_ml, 1),
            "drained_ml": round(truth.drained_ml, 1),
            "spilled_ml": round(truth.floor_ml, 1),
            "transpired_ml": round(truth.transpired_ml, 1),
            "assimilated_g": round(truth.assimilated_g, 2),
            "fruit_g": round(plant.fruit_g + plant.harvested_g, 2),
            "air_min_c": round(self.air_min_c, 2),
            "air_max_c": round(self.air_max_c, 2),
            "soil_min": round(self.soil_min, 4),
            "soil_max": round(self.soil_max, 4),
            "broken": "; ".join(world.safety.broken()),
        }


def _watts(params: TentParams) -> dict[int, float]:
    """Electric power by output bit, in W: the registry's, for lamp and mat that of this tent."""
    own = {LAMP.name: params.lamp_w, MAT.name: params.heater_w}
    return {1 << row.wire_id: own.get(row.name, row.power_w) for row in OUTPUTS}
