"""Rolling budgets per output that survive a reset: what was used, and what is prepaid until the next flash write.

Amounts are in thousandths of the budget's unit (ms of a second, ul of a millilitre), so that a tick loses nothing.
A record in flash says what was used AND hands out a prepaid share. Between two writes only the prepaid share may be
used; after a reset all of it counts as spent. So a reset can never make a budget fresh, however often it happens.

So that restarts alone do not use up a day, the share shrinks by half with every second restart, and grows back as they
are forgotten. A dose that is larger than the share asks for a write that prepays just this dose.
"""

import binascii
import struct
from array import array

from tomato import contract as c

N_OUTPUTS = len(c.OUTPUTS)
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_HOUR_CELLS = 13
_HOUR_CELL_MS = 300_000
_DAY_CELLS = 97
_DAY_CELL_MS = 900_000
_GROUPS = 8
_GROUP_CELLS = 12

HOUR_BUDGET = tuple(o[c.O_HOUR_BUDGET] * 1000 for o in c.OUTPUTS)
DAY_BUDGET = tuple(o[c.O_DAY_BUDGET] * 1000 for o in c.OUTPUTS)
# A relay cannot be on for longer than the window itself: such a budget never binds and needs no prepaid share.
BOUND_HOUR = tuple(bool(o[c.O_IN_ML]) or o[c.O_HOUR_BUDGET] * 1000 < HOUR_MS for o in c.OUTPUTS)
BOUND_DAY = tuple(bool(o[c.O_IN_ML]) or o[c.O_DAY_BUDGET] * 1000 < DAY_MS for o in c.OUTPUTS)
SHARE = tuple(o[c.O_DAY_BUDGET] * 1000 // o[c.O_SHARES] for o in c.OUTPUTS)

_MAGIC = 0x5443
# A record: head, then for each output 16 bits of the hour, of each part of the day and of what was prepaid, then what
# is told of faults, the light's cycle, the check sum. Read and written number by number: one list of all of them would
# want its room in one piece, on a heap that is nearly full.
_HEAD = "<HBBI"
_HOUR_AT = 8
_DAY_AT = _HOUR_AT + 2 * N_OUTPUTS
_PREPAID_AT = _DAY_AT + 2 * N_OUTPUTS * _GROUPS
_TOLD_AT = _PREPAID_AT + 2 * N_OUTPUTS
_CRC_AT = _TOLD_AT + 8
RECORD_BYTES = _CRC_AT + 4
_U16 = 65_535
# In the stored word of latched faults the upper byte counts restarts: older firmware reads past it, and it past older.
_RESTARTS_AT = 24
_RESTARTS_MOST = 20
# Two bits below it: doses in a row without water. Older firmware does not look at them, its records have none.
_DRY_AT = 22
_DRY_MOST = 3
_LATCHED = (1 << _DRY_AT) - 1


class Window:
    """Sums over a rolling window of elapsed time: a ring of cells for each output, with running totals.

    One cell more than the window needs, so that what is forgotten is always older than the window.
    """

    def __init__(self, cells, cell_ms):
        self.cells = cells
        self.cell_ms = cell_ms
        self.at = 0
        self.into_ms = 0
        # One array for each output: a heap that is nearly full has no room left for a large one in one piece.
        self.amount = tuple([array("i", bytes(4 * cells)) for _ in range(N_OUTPUTS)])
        self.total = array("i", [0] * N_OUTPUTS)

    def elapse(self, dt_ms):
        """Let `dt_ms` pass; forget the cells that fall out of the window."""
        self.into_ms += dt_ms
        if self.into_ms < self.cell_ms:
            return
        turns = 0
        while self.into_ms >= self.cell_ms and turns < self.cells:
            self.into_ms -= self.cell_ms
            turns += 1
            self.at = (self.at + 1) % self.cells
            self._forget(self.at)
        if turns == self.cells:
            self.into_ms %= self.cell_ms

    def _forget(self, cell):
        for i in range(N_OUTPUTS):
            self.total[i] -= self.amount[i][cell]
            self.amount[i][cell] = 0

    def count(self, output, amount):
        """Count `amount` (thousandths) as used now."""
        self.amount[output][self.at] += amount
        self.total[output] += amount

    def add(self, output, amount, cells_ago=0):
        """Count `amount` (thousandths) as used now, or `cells_ago` cells ago."""
        self.amount[output][(self.at - cells_ago) % self.cells] += amount
        self.total[output] += amount

    def since(self, output, first_ago, last_ago):
        """What was used between two cells counted back from now, both included."""
        used = 0
        for ago in range(first_ago, last_ago + 1):
            used += self.amount[output][(self.at - ago) % self.cells]
        return used


class Counters:
    """What every output has used in the last hour and the last day, and its prepaid share."""

    def __init__(self):
        self.hour = Window(_HOUR_CELLS, _HOUR_CELL_MS)
        self.day = Window(_DAY_CELLS, _DAY_CELL_MS)
        self.prepaid = array("i", [0] * N_OUTPUTS)
        self.asked = array("i", [0] * N_OUTPUTS)
        self.restarts = 0
        self.calm_ms = 0
        self.up_ms = 0
        self.lost = False
        self.generation = 0
        self.latched = 0
        self.dry_runs = 0
        self.light_cycle_s = 0

    def elapse(self, dt_ms):
        """Let time pass."""
        self.hour.elapse(dt_ms)
        self.day.elapse(dt_ms)
        self.up_ms = min(DAY_MS, self.up_ms + min(dt_ms, DAY_MS))
        if self.restarts:
            self.calm_ms += min(dt_ms, DAY_MS)
            while self.restarts and self.calm_ms >= c.RESTART_FORGOTTEN_MS:
                self.calm_ms -= c.RESTART_FORGOTTEN_MS
                self.restarts -= 1
        else:
            self.calm_ms = 0

    def use(self, output, amount):
        """Count `amount` thousandths as used now."""
        self.hour.count(output, amount)
        self.day.count(output, amount)
        self.prepaid[output] -= amount

    def spend_all(self):
        """No trustworthy record: every budget counts as spent, as of now."""
        self.lost = True
        for i in range(N_OUTPUTS):
            self.hour.add(i, HOUR_BUDGET[i])
            self.day.add(i, DAY_BUDGET[i])
            self.prepaid[i] = 0

    def hour_left(self, output):
        """Thousandths left in the rolling hour."""
        return HOUR_BUDGET[output] - self.hour.total[output]

    def day_left(self, output):
        """Thousandths left in the rolling day."""
        return DAY_BUDGET[output] - self.day.total[output]

    def low(self, output, dose):
        """True when the prepaid share does not cover `dose` thousandths and a write would hand out much more."""
        return BOUND_DAY[output] and self.prepaid[output] < dose <= 2 * (self.share(output) - self.prepaid[output])

    def half_spent(self):
        """True when some output has used half of what could be prepaid: a quiet moment is worth a write."""
        for output in range(N_OUTPUTS):
            if BOUND_DAY[output] and self.prepaid[output] < self.share(output) // 2:
                return True
        return False

    def record(self):
        """The bytes to store now; `granted` tells what they prepay once they are safely written."""
        out = bytearray(RECORD_BYTES)
        struct.pack_into(_HEAD, out, 0, _MAGIC, 1, N_OUTPUTS, self.generation + 1)
        for i in range(N_OUTPUTS):
            _put(out, _HOUR_AT + 2 * i, _units_up(self.hour.total[i]))
            _put(out, _PREPAID_AT + 2 * i, self.share(i) // 1000)
            for group in range(_GROUPS):
                first = group * _GROUP_CELLS
                last = first + _GROUP_CELLS - 1 if group < _GROUPS - 1 else _DAY_CELLS - 1
                _put(out, _DAY_AT + 2 * (N_OUTPUTS * group + i), _units_up(self.day.since(i, first, last)))
        told = self.latched | self.dry_runs << _DRY_AT | self.restarts << _RESTARTS_AT
        struct.pack_into("<II", out, _TOLD_AT, told, self.light_cycle_s)
        return _sealed(out)

    def share(self, output):
        """What the next record prepays for this output, in thousandths (whole units)."""
        left = min(max(SHARE[output] >> self.restarts // 2, self.asked[output]), max(0, self.day_left(output)))
        return left - left % 1000

    def held(self, output):
        """About how much of the day counts as spent for restarts alone, in thousandths: what refuses in their stead."""
        if self.lost and self.up_ms < DAY_MS:
            return DAY_BUDGET[output]
        held = 0
        for restart in range(self.restarts):
            held += SHARE[output] >> restart // 2
        return held

    def written(self):
        """The record is safely in flash: take over what it prepaid."""
        self.generation += 1
        for i in range(N_OUTPUTS):
            self.prepaid[i] = self.share(i)
            self.asked[i] = 0

    def restore(self, body, other_lost):
        """Take over a valid record. What it had prepaid counts as spent; with the other slot lost, one share more:
        a lost newer record could have prepaid that much."""
        self.generation = struct.unpack_from(_HEAD, body)[3]
        for i in range(N_OUTPUTS):
            lost = _get(body, _PREPAID_AT + 2 * i) * 1000 + (SHARE[i] if other_lost else 0)
            self.hour.add(i, _get(body, _HOUR_AT + 2 * i) * 1000 + lost)
            self.day.add(i, lost)
            for group in range(_GROUPS):
                self.day.add(i, _get(body, _DAY_AT + 2 * (N_OUTPUTS * group + i)) * 1000, group * _GROUP_CELLS)
        told, self.light_cycle_s = struct.unpack_from("<II", body, _TOLD_AT)
        self.latched = told & _LATCHED
        self.dry_runs = told >> _DRY_AT & _DRY_MOST
        self.restarts = told >> _RESTARTS_AT
        if self.generation:
            # Generation 0 is the record of a new board: its first start is no restart.
            self.restarts = min(_RESTARTS_MOST, self.restarts + 1)


def _units_up(thousandths):
    return min(_U16, (thousandths + 999) // 1000)


def _put(out, at, number):
    out[at] = number & 255
    out[at + 1] = number >> 8


def _get(body, at):
    return body[at] | body[at + 1] << 8


def _sealed(out):
    """The bytes of a record with its check sum."""
    struct.pack_into("<I", out, _CRC_AT, binascii.crc32(memoryview(out)[:_CRC_AT]))
    return bytes(out)


def sound(record):
    """True for a whole counter record of this version."""
    if record is None or len(record) != RECORD_BYTES:
        return False
    magic, version, outputs = struct.unpack("<HBB", record[:4])
    if magic != _MAGIC or version != 1 or outputs != N_OUTPUTS:
        return False
    return binascii.crc32(record[:-4]) == struct.unpack("<I", record[-4:])[0]


def fresh_record():
    """What a new board is provisioned with: nothing used, nothing prepaid, generation 0."""
    out = bytearray(RECORD_BYTES)
    struct.pack_into(_HEAD, out, 0, _MAGIC, 1, N_OUTPUTS, 0)
    return _sealed(out)
