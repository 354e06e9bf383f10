"""Changed by the gate's own test."""

STEP = 2
GREETING = {"en": len("hello")}


def twice(value):
    return value * STEP


def _table():
    return [1, 2]


TABLE = _table()


def endless(value):
    while value > 0:
        value -= 1
    return value


def nobody_calls():
    return 41 + 1


class Box:
    size = 4

    def grown(self):
        return [part + self.size for part in range(3)]
