"""What the grower set: calibration and the survival programme, in one record with a CRC.

Every bound here keeps the budgets true: whatever calibration is let in, a pump that delivers what its nameplate says
gives no more than 5/4 of what is charged. What the bounds let through and still takes protection away shows in `weak`.
"""

import binascii
import struct

from tomato import contract as c
from tomato.core import slots

N_CONFIG = len(c.CONFIG)
_MAGIC = 0x4743
_RECORD = "<HBBI%di" % N_CONFIG
RECORD_BYTES = struct.calcsize(_RECORD) + 4
# Records of before: number of entries -> where each later entry comes from. 18: both probes shared the water contents.
_OLDER = {18: (c.CFG_SOIL_P1_DRY_PCT, c.CFG_SOIL_P1_WET_PCT)}
_HEAD = 8
PROBES = ((c.CFG_SOIL_P1_DRY_RAW, c.CFG_SOIL_P1_WET_RAW), (c.CFG_SOIL_P2_DRY_RAW, c.CFG_SOIL_P2_WET_RAW))

PCT_SCALE = c.SENSORS[c.S_SOIL_P1_PCT][1]
_DAY_MIN = 24 * 60


class Configuration:
    """All CONFIG values by key, with the board's own defaults under them."""

    def __init__(self, store, defaults, fitted=-1):
        self.fitted = fitted
        self.values = [row[3] for row in c.CONFIG]
        for key in defaults:
            self.values[key] = defaults[key]
        self.nameplate_ul_per_s = self.values[c.CFG_PUMP_UL_PER_S]
        self.nameplate_per_l = self.values[c.CFG_FLOW_PULSES_PER_L]
        self.generation = 0
        self.crc = 0
        self.dirty = False
        self.slots = slots.Slots(store, "config", sound, slots.generation)
        self.is_default = True
        self.dropped = []

    def load(self):
        """Take the newest whole record; False when there is none and the defaults are in force.

        `dropped` then holds (key, stored value) of every entry that today's bounds refuse: its default is in force, and
        is written in its place.
        """
        record, _ = self.slots.load()
        if record is not None:
            self.generation = slots.generation(record)
            self._take(stored(record))
            self.is_default = False
            self.dirty = bool(self.dropped)
        self._seal()
        return not self.is_default

    def _take(self, values):
        for key in range(N_CONFIG):
            if self._within(key, values[key]) == c.R_NONE:
                self.values[key] = values[key]
            else:
                self.dropped.append((key, values[key]))
        refused = [key for key, _ in self.dropped]
        for points in PROBES:
            dry, wet = points
            if dry in refused or wet in refused or self._crossed(dry, self.values[dry]):
                # One point of the probe's own and one by default are no calibration, and of two that contradict each
                # other nobody knows which is wrong. Without points the probe gives no value, and says why.
                for key in points:
                    self.values[key] = 0
                    if key not in refused:
                        self.dropped.append((key, values[key]))

    def allowed(self, key, value):
        """R_NONE, or why this value may not be set; `self.bound` then holds the bound it broke."""
        reason = self._within(key, value)
        if not reason and self._crossed(key, value):
            return c.R_BAD_VALUE
        return reason

    def _crossed(self, key, value):
        """True when a probe would read more counts wet than dry, or hardly fewer: no capacitive probe does.

        0 is a point that is not set: two points are changed by taking one away first.
        """
        for dry, wet in PROBES:
            if key == dry and value and self.values[wet]:
                self.bound = self.values[wet] + c.PROBE_SPAN_LEAST_COUNTS
                return value < self.bound
            if key == wet and value and self.values[dry]:
                self.bound = self.values[dry] - c.PROBE_SPAN_LEAST_COUNTS
                return value > self.bound
        return False

    def _within(self, key, value):
        """R_NONE, or why this entry alone may not have this value."""
        self.bound = 0
        if type(key) is not int or not 0 <= key < N_CONFIG:
            return c.R_BAD_KEY
        if type(value) is not int:
            return c.R_MALFORMED
        lowest, highest = self.bounds(key, value)
        if value < lowest:
            self.bound = lowest
            return c.R_BAD_VALUE
        if value > highest:
            self.bound = highest
            return c.R_BAD_VALUE
        return c.R_NONE

    def bounds(self, key, value):
        """Lowest and highest value that this board takes for an entry."""
        lowest, highest = c.CONFIG[key][1], c.CONFIG[key][2]
        if key == c.CFG_PUMP_UL_PER_S:
            # Too low a rate makes doses longer and charges too little. Too high a one only waters too little.
            lowest = max(lowest, (self.nameplate_ul_per_s * 4 + 4) // 5)
            highest = min(highest, self.nameplate_ul_per_s * 2)
        elif key == c.CFG_FLOW_PULSES_PER_L and value and self.nameplate_per_l:
            # Too high a constant hides a stuck valve, too low a one ends doses early. 0: no meter in use, see `weak`.
            lowest = max(lowest, self.nameplate_per_l // 2)
            highest = min(highest, self.nameplate_per_l * 2)
        return lowest, highest

    def weak(self, key=-1, value=0):
        """Mask of what these settings take away, by WEAK_ number; with one entry set to `value`, if a key is given."""
        old = self.values[key]
        if key >= 0:
            self.values[key] = value
        v = self.values
        mask = 0
        if not v[c.CFG_FLOW_PULSES_PER_L] and self.fitted & (1 << c.S_FLOW_ML):
            mask |= 1 << c.WEAK_FLOW_WATCH
        if not v[c.CFG_SURVIVAL_ENABLED]:
            mask |= 1 << c.WEAK_SURVIVAL
        # In minutes: seconds times a day would leave 31 bits. A long night leaves as little light of 24 h as few hours.
        cycle_min = (v[c.CFG_SURVIVAL_LIGHT_ON_S] + v[c.CFG_SURVIVAL_LIGHT_OFF_S]) // 60
        if v[c.CFG_SURVIVAL_LIGHT_ON_S] // 60 * _DAY_MIN < c.SURVIVAL_LIGHT_LEAST_S // 60 * max(_DAY_MIN, cycle_min):
            mask |= 1 << c.WEAK_SURVIVAL_LIGHT
        # A long pause leaves as few doses as a small number of them.
        doses = min(v[c.CFG_SURVIVAL_DOSES_PER_DAY], _DAY_MIN * 60 // v[c.CFG_SURVIVAL_PAUSE_S])
        if (
            v[c.CFG_SURVIVAL_DOSE_ML] * doses < c.SURVIVAL_WATER_LEAST_ML
            or v[c.CFG_SURVIVAL_SOIL_LOW_PCT] < c.SURVIVAL_SOIL_LEAST_PCT * PCT_SCALE
        ):
            mask |= 1 << c.WEAK_SURVIVAL_WATER
        self.values[key] = old
        return mask

    def set(self, key, value):
        """Set one value that `allowed` let through; it is written at the next chance with all outputs off."""
        if self.values[key] != value or self.is_default:
            self.values[key] = value
            self.is_default = False
            self.dirty = True
            self._seal()

    def save(self):
        """Write the record; True when it is safely there."""
        body = self._body(self.generation + 1)
        if not self.slots.save(body + struct.pack("<I", binascii.crc32(body))):
            return False
        self.generation += 1
        self.dirty = False
        return True

    def _body(self, generation):
        return struct.pack(_RECORD, _MAGIC, 1, N_CONFIG, generation, *self.values)

    def _seal(self):
        # Over the values alone, so that equal settings give equal CRCs whatever their history.
        self.crc = binascii.crc32(self._body(0))


def sound(record):
    """True for a whole configuration record, of this version or of one before."""
    if record is None or len(record) < _HEAD + 4:
        return False
    magic, version, items = struct.unpack("<HBB", record[:4])
    if magic != _MAGIC or version != 1 or (items != N_CONFIG and items not in _OLDER):
        return False
    if len(record) != _HEAD + 4 * items + 4:
        return False
    return binascii.crc32(record[:-4]) == struct.unpack("<I", record[-4:])[0]


def stored(record):
    """All values of a sound record, by key; what a record of before does not have comes from where it came then."""
    items = record[3]
    values = list(struct.unpack("<%di" % items, record[_HEAD:-4]))
    if items != N_CONFIG:
        values += [values[key] for key in _OLDER[items]]
    return values
