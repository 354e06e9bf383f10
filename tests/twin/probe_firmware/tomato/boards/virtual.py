OUTPUT_PINS = (2, 3, 4, 5, 6, 7, 8)
INPUTS = {"reservoir_ok": (10, 1), "leak": (11, 1), "door_open": (12, 1), "estop": (13, 1), "button": (14, 1)}
FLOW_PIN = 9
