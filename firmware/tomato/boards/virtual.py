"""Pin map of the virtual board: a Pico in the twin, with everything fitted and its flash in a folder."""

NAME = "virtual"

# GPIO by output wire id: light, circulation_fan, exhaust_fan, humidifier, heater_mat, water_pump, co2_solenoid.
# All active high, each with a pull-down of at most 8.2 kOhm outside (RP2350-E9).
OUTPUT_PINS = (2, 3, 4, 5, 6, 7, 8)

# Name -> (GPIO, level while true). Inputs have pull-ups, and a broken wire reads as the unsafe answer.
INPUT_PINS = {
    "estop": (10, 1),  # normally closed contact to ground
    "button": (11, 0),  # push button to ground
    "reservoir_ok": (12, 0),  # float closes to ground while there is water
    "leak": (13, 1),  # the detector pulls to ground while it is dry
    "door_open": (14, 1),  # reed contact closes to ground while the door is shut
}
FLOW_PIN = 22
FLOW_PULL_UP = True
ADC_PINS = (26, 27)
ADC_FULL_SCALE = None  # 3.3 V by itself
TIMER_IDS = (-1, -1)  # the end of a pulse, the feeding in maintenance: software timers
I2C_PINS = (0, 17, 16)  # bus, SCL, SDA
ONEWIRE_PIN = 18
LED_PIN = 19
BUZZER_PIN = 20

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

# The virtual probes follow the contract's default calibration, the virtual pump its default rate.
DEFAULTS = {}

STATE_FOLDER = "state"
FIRST_BOOT_ID = 1  # repeatable, like everything in the twin
PROVISION = True  # its flash is a folder, which nothing reformats behind our back
