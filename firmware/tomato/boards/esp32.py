"""Pin map of the ESP32 (DevKitC, WROOM-32). No relay on a strapping pin (0, 2, 5, 12, 15); LED and buzzer may be."""

NAME = "esp32"

# GPIO by output wire id: light, circulation_fan, exhaust_fan, humidifier, heater_mat, water_pump, co2_solenoid.
# All active high, each with a pull-down of at most 8.2 kOhm outside, because pins float during reset.
OUTPUT_PINS = (16, 17, 18, 19, 23, 25, 26)

# Name -> (GPIO, level while true). Inputs have pull-ups, and a broken wire reads as the unsafe answer.
INPUT_PINS = {
    "estop": (13, 1),  # normally closed contact to ground
    "button": (14, 0),  # push button to ground
    "reservoir_ok": (27, 0),  # float closes to ground while there is water
    "leak": (32, 1),  # the detector pulls to ground while it is dry
    "door_open": (33, 1),  # reed contact closes to ground while the door is shut
}
# GPIO 34-39 have no pull-ups of their own: the flow meter needs one outside.
FLOW_PIN = 36
FLOW_PULL_UP = False
ADC_PINS = (34, 35)
ADC_FULL_SCALE = "ATTN_11DB"  # without it all above 1.1 V reads as the highest count
TIMER_IDS = (0, 1)  # the end of a pulse, the feeding in maintenance: it has hardware timers only (0 to 3)
I2C_PINS = (0, 22, 21)  # bus, SCL, SDA
ONEWIRE_PIN = 4
LED_PIN = 2
BUZZER_PIN = 15

# What is wired to this board. Take out what you do not have: what needs it is then refused, or (leak, float, flow)
# goes without that guard; see docs/safety.md.
FITTED = (
    "air_temp_c",
    "rh_pct",
    "co2_ppm",
    "leaf_temp_c",
    "light_lux",
    "soil_temp_c",
    "soil_p1_pct",
    "soil_p2_pct",
    "soil_p1_raw",
    "soil_p2_raw",
    "flow_ml",
    "reservoir_ok",
    "leak",
    "door_open",
)

# CONFIG values of a board that nobody has calibrated: the pump's nameplate, and probes without two points.
DEFAULTS = {
    "pump_ul_per_s": 20_000,
    "soil_p1_dry_raw": 0,
    "soil_p1_wet_raw": 0,
    "soil_p2_dry_raw": 0,
    "soil_p2_wet_raw": 0,
}

STATE_FOLDER = "state"  # below the root, where MicroPython starts
FIRST_BOOT_ID = None  # drawn at random, so that a wiped flash does not repeat old numbers
PROVISION = False  # a missing budget record means "spent"; `tomato-host board flash` provisions a new board
