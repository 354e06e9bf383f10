"""The last 32 results by command id, so that a repeated command is answered and moves nothing."""

from tomato import contract as c

REMEMBERED = 32


class Results:
    """A ring of rows {field: value}."""

    def __init__(self):
        self.rows = [None] * REMEMBERED
        self.next = 0

    def find(self, cmd_id):
        """The stored result of a command, or None."""
        for row in self.rows:
            if row is not None and row[c.F_CMD_ID] == cmd_id:
                return row
        return None

    def keep(self, row):
        """Remember a result; the same command's earlier one is replaced in its place."""
        for i in range(REMEMBERED):
            old = self.rows[i]
            if old is not None and old[c.F_CMD_ID] == row[c.F_CMD_ID]:
                self.rows[i] = row
                return
        self.rows[self.next] = row
        self.next = (self.next + 1) % REMEMBERED
