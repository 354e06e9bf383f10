"""Takes a set of readings at a steady pace and encodes it once, ready for the line and for the ring."""

from tomato import contract as c
from tomato.core.cbor import Writer
from tomato.core.ring import SAMPLE_BODY_MAX

_N = len(c.SENSORS)


class Sampler:
    """Encodes `core.inputs` into `body[:n]` every `period_ms` and hands it to the ring."""

    def __init__(self, core, ring, period_ms=c.CONFIG[c.CFG_SAMPLE_PERIOD_MS][3]):
        self.core = core
        self.ring = ring
        self.period_ms = period_ms
        self.next_ms = 0
        self.last_ms = -1
        self.seq = 0
        self.body = bytearray(SAMPLE_BODY_MAX)
        self.n = 0
        self.writer = Writer(self.body)

    def shift(self, by_ms):
        """A new epoch has begun: see clock64."""
        self.next_ms -= by_ms
        self.last_ms -= by_ms

    def set_period(self, now_ms, period_ms):
        """A new pace, counted from now; a moment that has its sample already gets no second one."""
        self.period_ms = period_ms
        self.next_ms = now_ms + period_ms if self.last_ms == now_ms else now_ms

    def due(self, now_ms):
        """True when it is time for a sample."""
        return now_ms >= self.next_ms

    def take(self, now_ms):
        """Encode and retain one sample; returns the length of `body`. A missed sample is skipped, not made up for."""
        self.next_ms = max(self.next_ms + self.period_ms, now_ms + 1)
        self.last_ms = now_ms
        self.n = self._encode(now_ms)
        self.ring.put(self.seq, self.body, self.n)
        self.seq += 1
        return self.n

    def _encode(self, now_ms):
        core, writer = self.core, self.writer
        inputs = core.inputs
        missing = self._missing(inputs, now_ms)
        writer.pos = 0
        integer = writer.integer
        writer.map(6 if missing else 5)
        integer(c.F_SEQ)
        integer(self.seq)
        integer(c.F_T_MS)
        integer(core.board_ms(now_ms))
        integer(c.F_VALUES)
        writer.array(_N)
        value = inputs.value
        for i in range(_N):
            if missing >> i & 1:
                writer.null()
            else:
                integer(value[i])
        integer(c.F_OUTPUTS)
        integer(core.shown)
        integer(c.F_STATE)
        integer(core.state)
        if missing:
            self._why(inputs, missing)
        return writer.pos

    def _missing(self, inputs, now_ms):
        """Bit mask of sensors without a value fresh enough to report."""
        missing = 0
        oldest = now_ms - c.SENSOR_MAX_AGE_MS
        valid, t_ms = inputs.valid, inputs.t_ms
        for i in range(_N):
            if not valid[i] or t_ms[i] < oldest:
                missing |= 1 << i
        return missing

    def _why(self, inputs, missing):
        """The map of reasons, last in the body."""
        integer = self.writer.integer
        integer(c.F_WHY)
        self.writer.map(sum(missing >> i & 1 for i in range(_N)))
        for i in range(_N):
            if missing >> i & 1:
                integer(i)
                integer(c.WHY_STALE if inputs.valid[i] else inputs.why[i])
