"""The sensors of a board on CPython: from what the parts show to the core's inputs, as the firmware's drivers do it.

Each round has two steps, as in `firmware/tomato/hal/sensors`: conversions are started together and collected
COLLECT_AFTER_MS later. A part that does not answer is lost at once when its driver speaks to it at the start. Values
get the resolution of the part; the soil probes run through their own driver, which holds the grower's calibration.
"""

from __future__ import annotations

from typing import Any, Final

from tomato_host.twin.firmware_core import FirmwareCore
from tomato_host.twin.sensors import Readings, SensorFaults
from tomato_host.twin.vm_channel import ABSENT_BITS

ANSWERS_AT_START: Final = ("sht4x", "scd4x", "bh1750", "ds18b20")
"""Parts whose driver sends a command at the start of a round, at which they measure; the others are only read."""


class _Converter:
    """An ADC whose line stands at one count."""

    def __init__(self) -> None:
        self.count = 0

    def read_u16(self) -> int:
        return self.count


class SensorBus:
    """All parts of one board; `started` while a round waits to be collected."""

    COLLECT_AFTER_MS: Final = 800

    def __init__(self, firmware: FirmwareCore) -> None:
        self._contract = c = firmware.contract
        self.started = False
        self._silent = 0
        self._measured: Readings | None = None
        self._commanded = sum(ABSENT_BITS[part] for part in ANSWERS_AT_START)
        self._sensors_of: dict[str, tuple[int, ...]] = {
            "sht4x": (c.S_AIR_TEMP_C, c.S_RH_PCT),
            "scd4x": (c.S_CO2_PPM,),
            "mlx90614": (c.S_LEAF_TEMP_C,),
            "bh1750": (c.S_LIGHT_LUX,),
            "ds18b20": (c.S_SOIL_TEMP_C,),
        }
        self._sensors = tuple(sensor for sensors in self._sensors_of.values() for sensor in sensors)
        self._bits = tuple(ABSENT_BITS[part] for part, sensors in self._sensors_of.items() for _ in sensors)
        self._converters = (_Converter(), _Converter())
        self._probes = [firmware.capacitive.CapacitiveProbe(adc, k) for k, adc in enumerate(self._converters)]

    def loses_at_start(self, faults: SensorFaults) -> bool:
        """Whether some part will not answer the command that starts a round."""
        return bool((faults.absent | faults.corrupt << 8) & self._commanded)

    def start(self, board_ms: int, readings: Readings, inputs: Any) -> None:
        """Begin a round: parts that measure on command do so now; one that does not answer is lost now."""
        self.started = True
        self._measured = readings
        self._silent = readings.absent & self._commanded
        if self._silent:
            for part in ANSWERS_AT_START:
                if self._silent & ABSENT_BITS[part]:
                    self._lose(part, self._contract.WHY_NO_ANSWER, board_ms, inputs)

    def collect(self, board_ms: int, readings: Readings, core: Any) -> None:
        """End the round: what the parts show into the core's inputs."""
        self.started = False
        inputs, c = core.inputs, self._contract
        spoilt = readings.absent >> 8
        lost = readings.absent | spoilt | self._silent
        put = inputs.put
        for bit, sensor, value in zip(
            self._bits, self._sensors, _shown(self._measured or readings, readings), strict=True
        ):
            if not lost & bit:
                put(sensor, value, board_ms)
        if lost:
            for part, bit in ABSENT_BITS.items():
                if lost & ~self._silent & bit and part in self._sensors_of:
                    self._lose(part, c.WHY_BAD_CRC if spoilt & bit else c.WHY_NO_ANSWER, board_ms, inputs)
        for converter, probe, count in zip(self._converters, self._probes, readings.soil_raw, strict=True):
            converter.count = count
            probe.collect(board_ms, inputs, core.config)
        per_l = core.config[c.CFG_FLOW_PULSES_PER_L]
        if per_l:
            inputs.put(c.S_FLOW_ML, inputs.flow_count * 1_000 // per_l, board_ms)
        else:
            inputs.lost(c.S_FLOW_ML, c.WHY_DISABLED, board_ms)

    def _lose(self, part: str, why: int, board_ms: int, inputs: Any) -> None:
        for sensor in self._sensors_of[part]:
            inputs.lost(sensor, why, board_ms)

    def sample_fields(self, core: Any, board_ms: int, seq: int) -> dict[str, Any]:
        """A SAMPLE by field names: each value that is fresh enough to report, and why there is none."""
        inputs, c = core.inputs, self._contract
        values: list[int | None] = []
        why: dict[int, int] = {}
        oldest = board_ms - c.SENSOR_MAX_AGE_MS
        for sensor, valid in enumerate(inputs.valid):
            if valid and inputs.t_ms[sensor] >= oldest:
                values.append(inputs.value[sensor])
            else:
                values.append(None)
                why[sensor] = c.WHY_STALE if valid else inputs.why[sensor]
        return {
            "seq": seq,
            "t_ms": board_ms,
            "values": values,
            "outputs": core.outputs,
            "state": core.state,
            "why": why,
        }


def _shown(m: Readings, r: Readings) -> tuple[int, ...]:
    """What the parts show, in wire units, in the order of `_sensors_of`: measured at the start `m`, or when read `r`.

    Data sheets' steps where they are coarser than the wire's.
    """
    return (
        round(m.air_temp_c * 100.0),
        round(m.rh_pct * 100.0),
        round(m.co2_ppm),
        2 * round((r.leaf_temp_c + 273.15) * 50.0) - 27_315,
        min(120_000, round(m.light_lux)),
        round(m.soil_temp_c * 16.0) * 25 // 4,
    )
