"""Small records in the board's flash. Slots, check sums and their meaning are the core's; this reads and writes."""

import os

BOOT_FILE = "boots"


class FlashStore:
    """Records as files of one folder."""

    def __init__(self, folder="/state"):
        self.folder = folder
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there already; a flash that cannot be written shows itself in `write`

    def read(self, name):
        """The bytes of a record, or None."""
        try:
            with open(self.folder + "/" + name, "rb") as file:
                return file.read()
        except OSError:
            return None

    def write(self, name, record):
        """Write a record and read it back; True when it is there. Only while every output is off."""
        try:
            with open(self.folder + "/" + name, "wb") as file:
                file.write(record)
            if hasattr(os, "sync"):
                os.sync()
        except OSError:
            return False
        return self.read(name) == bytes(record)

    def next_boot_id(self, first):
        """A number that differs at each boot: counted up in flash, from `first` or, when None, from a random one."""
        known = self.read(BOOT_FILE)
        if known is not None and len(known) == 4:
            boot_id = int.from_bytes(known, "little") + 1
        elif first is None:
            boot_id = int.from_bytes(os.urandom(3), "little") + 1
        else:
            boot_id = first
        boot_id &= 0x3FFFFFFF
        self.write(BOOT_FILE, boot_id.to_bytes(4, "little"))
        return boot_id


def provision(board=None):
    """Give a new board its first budgets and its default configuration; True when it did.

    A board that has any record, even a torn one, keeps what it has: see docs/safety.md.
    """
    from tomato.boards import config_of, this_board
    from tomato.core import configuration, slots

    board = board or this_board()
    store = FlashStore(board.STATE_FOLDER)
    if not slots.provision(store):
        return False
    return configuration.Configuration(store, config_of(board)["defaults"]).save()
