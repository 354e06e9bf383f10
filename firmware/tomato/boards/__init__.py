"""Which board this is, and what the core must know of it."""

import sys

from tomato import contract as c


def this_board():
    """The pin map module of the board this runs on."""
    if sys.platform == "rp2":
        from tomato.boards import pico as board
    elif sys.platform == "esp32":
        from tomato.boards import esp32 as board
    else:
        from tomato.boards import virtual as board
    return board


def fitted_mask(names):
    """Bit mask by sensor id of the sensors named."""
    mask = 0
    for sensor in range(len(c.SENSORS)):
        if c.SENSORS[sensor][0] in names:
            mask |= 1 << sensor
    return mask


def config_of(board):
    """What the core must know of a board: which sensors it has, and its own CONFIG defaults."""
    keys = {c.CONFIG[key][0]: key for key in range(len(c.CONFIG))}
    defaults = {keys[name]: board.DEFAULTS[name] for name in board.DEFAULTS}
    return {"fitted": fitted_mask(board.FITTED), "defaults": defaults}


def sensor_id(name):
    """Wire id of a sensor by name."""
    for sensor in range(len(c.SENSORS)):
        if c.SENSORS[sensor][0] == name:
            return sensor
    raise ValueError(name)
