"""Stand-in for `termios` on the virtual board: its line is a non-blocking socket, raw by nature."""

TCSANOW = 0


def tcgetattr(fd):
    return [0, 0, 0, 0, 0, 0, [0] * 32]


def tcsetattr(fd, when, attributes):
    pass


def setraw(fd):
    pass
