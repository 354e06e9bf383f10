"""Capacitive soil probes on the ADC: raw counts, and water content by two points in the grower's own substrate.

Water raises the probe's capacity and lowers its voltage: the wet point has fewer counts than the dry one, always.
"""

from tomato import contract as c

SAMPLES = 8
# Nothing connected pulls the line to one of its ends; a probe, dry or wet, never goes there.
UNPLUGGED_BELOW = 1_000
UNPLUGGED_ABOVE = 64_500
RAW = (c.S_SOIL_P1_RAW, c.S_SOIL_P2_RAW)
PCT = (c.S_SOIL_P1_PCT, c.S_SOIL_P2_PCT)
DRY = (c.CFG_SOIL_P1_DRY_RAW, c.CFG_SOIL_P2_DRY_RAW)
WET = (c.CFG_SOIL_P1_WET_RAW, c.CFG_SOIL_P2_WET_RAW)
DRY_PCT = (c.CFG_SOIL_P1_DRY_PCT, c.CFG_SOIL_P2_DRY_PCT)
WET_PCT = (c.CFG_SOIL_P1_WET_PCT, c.CFG_SOIL_P2_WET_PCT)


def water_pct_x100(raw, dry_raw, wet_raw, dry_pct, wet_pct):
    """Water content in 0.01 % on the line through the two calibration points, cropped to 0..100 %."""
    return max(0, min(10_000, dry_pct + (raw - dry_raw) * (wet_pct - dry_pct) // (wet_raw - dry_raw)))


class CapacitiveProbe:
    """Probe `number` (0 or 1) on an ADC."""

    def __init__(self, adc, number):
        self.adc = adc
        self.number = number

    def start(self, now_ms, inputs):
        """Nothing to start."""

    def collect(self, now_ms, inputs, config):
        """Average a few counts, convert them where the probe is calibrated."""
        total = 0
        for _ in range(SAMPLES):
            total += self.adc.read_u16()
        raw = total // SAMPLES
        pct, n = PCT[self.number], self.number
        if raw < UNPLUGGED_BELOW or raw > UNPLUGGED_ABOVE:
            inputs.lost(RAW[n], c.WHY_UNPLUGGED, now_ms)
            inputs.lost(pct, c.WHY_UNPLUGGED, now_ms)
            return
        inputs.put(RAW[n], raw, now_ms)
        if not config[WET[n]] or config[DRY[n]] - config[WET[n]] < c.PROBE_SPAN_LEAST_COUNTS:
            inputs.lost(pct, c.WHY_UNCALIBRATED, now_ms)
            return
        inputs.put(
            pct,
            water_pct_x100(raw, config[DRY[n]], config[WET[n]], config[DRY_PCT[n]], config[WET_PCT[n]]),
            now_ms,
        )
