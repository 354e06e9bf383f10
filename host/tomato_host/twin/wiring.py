"""Which GPIO of the virtual board is what, read from the firmware's own pin map `boards/virtual.py`."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path

from tomato_host.errors import TomatoError


@dataclass(frozen=True, slots=True)
class Wiring:
    """GPIO numbers as the twin needs them: outputs to wire ids, inputs by name with the level that means 'yes'."""

    output_of_gpio: dict[int, int]
    input_levels: dict[str, tuple[int, int]]
    """Name (reservoir_ok leak door_open estop button) to (GPIO, level while true)."""
    flow_gpio: int

    def levels(self, **states: bool) -> int:
        """GPIO levels as one word for inputs given by name; a state without a pin is left out."""
        word = 0
        for name, (gpio, level) in self.input_levels.items():
            if states[name] == bool(level):
                word |= 1 << (gpio & 31)  # an ESP32 has pins above 31; no two inputs of a board share a bit
        return word


PIN_MAP_OF_PLATFORM = {"": "virtual", "rp2": "pico", "esp32": "esp32"}
"""Pin map by `sys.platform` of the board; "" is the virtual board."""


def read_wiring(firmware: Path, platform: str = "") -> Wiring:
    """The wiring of this firmware. Raises TomatoError `E-TWIN-NO-FIRMWARE` when it has no such board."""
    path = firmware / "tomato" / "boards" / f"{PIN_MAP_OF_PLATFORM[platform]}.py"
    try:
        pins = runpy.run_path(str(path))
    except OSError as error:
        raise TomatoError(
            "E-TWIN-NO-FIRMWARE",
            f"The firmware has no pin map for the virtual board ({path}).",
            "Use the firmware of this version of tomato-host.",
        ) from error
    outputs = {gpio: wire_id for wire_id, gpio in enumerate(pins["OUTPUT_PINS"])}
    return Wiring(outputs, dict(pins["INPUT_PINS"]), pins["FLOW_PIN"])
