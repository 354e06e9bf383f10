"""Two slots in flash, written in turn: at any cut of power one of them is whole."""

from tomato.core import counters

NAMES = ("a", "b")


class Slots:
    """A record kept twice under `name`.a and `name`.b; `sound(bytes)` says whether one is whole.

    `store` has `read(name) -> bytes or None` and `write(name, bytes) -> bool` (True once it read back equal).
    """

    def __init__(self, store, name, sound, generation_of):
        self.store = store
        self.name = name
        self.sound = sound
        self.generation_of = generation_of
        self.next = 0

    def load(self):
        """The newest whole record or None, and whether the other slot was missing or torn."""
        found = None
        whole = 0
        for i in range(2):
            record = self.store.read(self.name + "." + NAMES[i])
            if not self.sound(record):
                continue
            whole += 1
            if found is None or self.generation_of(record) > self.generation_of(found):
                found = record
                self.next = 1 - i
        return found, whole < 2

    def save(self, record):
        """Write to the older slot; the newer one is untouched. True when it is safely there."""
        if not self.store.write(self.name + "." + NAMES[self.next], record):
            return False
        self.next = 1 - self.next
        return True


def generation(record):
    """The generation number of a sound counter or configuration record: both keep it at byte 4."""
    return int.from_bytes(record[4:8], "little")


def provision(store):
    """Give a new board its first budgets. Only where no slot exists at all: an existing one, even torn, is kept."""
    for name in NAMES:
        if store.read("counters." + name) is not None:
            return False
    for name in NAMES:
        if not store.write("counters." + name, counters.fresh_record()):
            return False
    return True
