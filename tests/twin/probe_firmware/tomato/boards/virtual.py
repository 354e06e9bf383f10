OUTPUT_PINS = (2, 3, 4, 5, 6, 7, 8)
INPUT_PINS = {"estop": (10, 1), "button": (11, 0), "reservoir_ok": (12, 0), "leak": (13, 1), "door_open": (14, 1)}
FLOW_PIN = 22
