"""What MicroPython offers on each port and version, as data: the stand-ins of the virtual board are no more generous.

Read by the VM and by the host; docs/ports.md shows the same table with its sources, and a test holds the two together.
"""

VERSIONS = ("1.24", "1.25", "1.26", "1.27", "1.28")

_RP2 = {
    "machine": "Raspberry Pi Pico with RP2040",
    "timer_minus_1": "software timer",  # what Timer(-1) gives
    "timer_ids": (),  # hardware timers
    "timer_hard": "unknown",  # init(hard=True): "unknown" = TypeError, "refused" = ValueError, "yes"
    "irq_hard": "yes",  # Pin.irq(hard=True)
    "wdt_ms": (1, 8388),
    "pins": tuple(range(30)),
    "input_only": (),  # no output, no pull-up
    "adc_pins": (26, 27, 28, 29),
    "adc_default_mv": 3300,  # full scale of ADC(pin)
    "adc_atten": False,  # ADC(pin, atten=...)
    "pin_constants": (0, 1, 4, 8),  # IN, OUT, IRQ_FALLING, IRQ_RISING
    "pin_high_low": True,  # methods high() and low()
    "cause_of_reset": 3,  # reset_cause() after machine.reset(): as after a reset by the watchdog
    "retained": "WATCHDOG_SCRATCH0",  # what outlives a reset and not a power cut
    "console": "USB CDC",
    "console_in_bytes": 512,
    "console_write_poll": "says when it is full",
    "small_int_bits": 31,
    "float_bits": 32,
    "ticks_period": 1 << 30,
}

_ESP32 = {
    "machine": "Generic ESP32 module with ESP32",
    "timer_minus_1": "hardware timer 3",
    "timer_ids": (0, 1, 2, 3),
    "timer_hard": "unknown",
    "irq_hard": "unknown",
    "wdt_ms": (1, 0x3FFFFFFF),
    "pins": (
        0,
        1,
        2,
        3,
        4,
        5,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        23,
        25,
        26,
        27,
        32,
        33,
        34,
        35,
        36,
        37,
        38,
        39,
    ),
    "input_only": (34, 35, 36, 37, 38, 39),
    "adc_pins": (32, 33, 34, 35, 36, 37, 38, 39),
    "adc_default_mv": 1100,
    "adc_atten": True,
    "pin_constants": (1, 3, 2, 1),
    "pin_high_low": False,
    "cause_of_reset": 2,
    "retained": "RTC.memory()",
    "console": "UART at 115200 baud through a USB bridge",
    "console_in_bytes": 260,
    "console_write_poll": "always ready; a write waits",
    "small_int_bits": 31,
    "float_bits": 32,
    "ticks_period": 1 << 30,
}

PORTS = {"rp2": _RP2, "esp32": _ESP32}

# Port, first version, key, value from that version on.
CHANGES = (
    ("rp2", "1.26", "timer_hard", "yes"),
    ("esp32", "1.25", "timer_minus_1", "ValueError"),
    ("esp32", "1.27", "timer_hard", "refused"),
)

DEFAULT = "rp2-1.28"
PROFILES = tuple(port + "-" + version for port in ("rp2", "esp32") for version in VERSIONS)


def profile(name):
    """The table's column for a profile such as "esp32-1.27". Raises KeyError for a port or version it has not."""
    port, version = name.split("-")
    if version not in VERSIONS:
        raise KeyError(name)
    column = dict(PORTS[port])
    for changed, since, key, value in CHANGES:
        if changed == port and VERSIONS.index(since) <= VERSIONS.index(version):
            column[key] = value
    column["port"] = port
    column["version"] = version
    return column
