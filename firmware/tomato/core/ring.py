"""What the board keeps for a host that is away: samples, thinned with time, and events. All preallocated."""

from array import array

SAMPLE_BODY_MAX = 72  # every number at its longest, every reason that can stand beside it
SLOTS = 384  # samples of 10 s: 1.1 h at full pace, 17 h at 160 s, 34 h at 320 s, 68 h at 640 s (30 KB)

_HEAD = 5  # bytes before a stored body: sequence number (4, big-endian), length (1)


class SampleRing:
    """Encoded samples in fixed slots, oldest first, until acknowledged.

    When it is full, every second sample goes and from then on only every `stride`-th one is kept, so its reach doubles
    while its size stays: n slots hold n * stride sampling periods.
    """

    def __init__(self, slots=SLOTS, slot_bytes=SAMPLE_BODY_MAX):
        self.slots = slots
        self.width = slot_bytes + _HEAD
        self.store = bytearray(slots * self.width)
        self.view = memoryview(self.store)
        self.first = 0
        self.count = 0
        self.stride = 1
        self.lost = 0

    def _at(self, index):
        return ((self.first + index) % self.slots) * self.width

    def seq_at(self, index):
        """Sequence number of the index-th retained sample."""
        at = self._at(index)
        s = self.store
        return s[at] << 24 | s[at + 1] << 16 | s[at + 2] << 8 | s[at + 3]

    def body_at(self, index):
        """The encoded body of the index-th retained sample, a view without a copy."""
        at = self._at(index)
        return self.view[at + _HEAD : at + _HEAD + self.store[at + 4]]

    def put(self, seq, body, n):
        """Retain n bytes of body under seq. False when thinning left it out."""
        if seq % self.stride:
            self.lost += 1
            return False
        if self.count == self.slots:
            self._thin()
            if seq % self.stride:
                self.lost += 1
                return False
        at = self._at(self.count)
        s = self.store
        s[at] = seq >> 24 & 255
        s[at + 1] = seq >> 16 & 255
        s[at + 2] = seq >> 8 & 255
        s[at + 3] = seq & 255
        s[at + 4] = n
        self.view[at + _HEAD : at + _HEAD + n] = body[:n]
        self.count += 1
        return True

    def _thin(self):
        """Double the stride and close the gaps, oldest first."""
        self.stride *= 2
        kept = 0
        for i in range(self.count):
            if self.seq_at(i) % self.stride == 0:
                source, target = self._at(i), self._at(kept)
                if source != target:
                    self.view[target : target + self.width] = self.view[source : source + self.width]
                kept += 1
        if kept == self.count:  # all numbers divisible (cannot last): let the oldest go
            self.first = (self.first + 1) % self.slots
            kept -= 1
        self.lost += self.count - kept
        self.count = kept

    def find(self, seq):
        """Index of the first retained sample with a number >= seq; `count` when there is none."""
        low, high = 0, self.count
        while low < high:
            mid = (low + high) // 2
            if self.seq_at(mid) < seq:
                low = mid + 1
            else:
                high = mid
        return low

    def ack(self, up_to):
        """Forget everything up to and including up_to; an empty ring keeps every sample again."""
        n = self.find(up_to + 1)
        self.first = (self.first + n) % self.slots
        self.count -= n
        if self.count == 0:
            self.stride = 1


class EventRing:
    """Events (seq, t_ms, kind, a, b) until acknowledged; when full the oldest goes and is counted in `lost`.

    Kept in arrays: as many lists of five numbers would take three times the room.
    """

    def __init__(self, slots):
        self.slots = slots
        self.seq = array("i", bytes(4 * slots))
        self.t_ms = [0] * slots
        self.kind = bytearray(slots)
        self.a = array("i", bytes(4 * slots))
        self.b = array("i", bytes(4 * slots))
        self.epochs = bytearray(2 * slots)  # of each row, low byte first: its t_ms counts from there
        self.row = [0, 0, 0, 0, 0]  # what `at` fills
        self.epoch = 0
        self.first = 0
        self.count = 0
        self.next_seq = 0
        self.lost = 0

    def push(self, t_ms, kind, a=0, b=0):
        """Keep one event. Allocates nothing."""
        if self.count == self.slots:
            self.first = (self.first + 1) % self.slots
            self.count -= 1
            self.lost += 1
        place = (self.first + self.count) % self.slots
        self.epochs[2 * place] = self.epoch & 255
        self.epochs[2 * place + 1] = self.epoch >> 8 & 255
        self.seq[place] = self.next_seq
        self.t_ms[place] = t_ms
        self.kind[place] = kind
        self.a[place] = a
        self.b[place] = b
        self.next_seq += 1
        self.count += 1

    def at(self, index):
        """The index-th retained event as [seq, t_ms, kind, a, b]; do not keep it: the next call fills the same list."""
        place = (self.first + index) % self.slots
        row = self.row
        row[0] = self.seq[place]
        row[1] = self.t_ms[place]
        row[2] = self.kind[place]
        row[3] = self.a[place]
        row[4] = self.b[place]
        return row

    def epoch_at(self, index):
        """The epoch in which the index-th retained event happened (see clock64; 500 years of them)."""
        place = 2 * ((self.first + index) % self.slots)
        return self.epochs[place] | self.epochs[place + 1] << 8

    def ack(self, up_to):
        """Forget everything up to and including up_to."""
        while self.count and self.seq[self.first] <= up_to:
            self.first = (self.first + 1) % self.slots
            self.count -= 1
