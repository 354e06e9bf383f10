"""A Pico for the emulator with what the firmware expects at its pins: `rp2040py ... --board-spec FILE:BOARD`.

Emergency stop closed, leak detector dry, door shut, water in the reservoir; nothing on the buses. The button is up by
its own pull-up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rp2040py.boards import BOARDS

if TYPE_CHECKING:
    from rp2040py.rp2040 import RP2040

CLOSED_TO_GROUND = (10, 12, 13, 14)
"""estop, reservoir_ok, leak and door_open of boards/pico.py, each in its quiet state; a test compares them."""


class Contacts:
    """Switches that pull their pins to ground."""

    def attach(self, rp2040: RP2040) -> None:
        """Close them."""
        for gpio in CLOSED_TO_GROUND:
            rp2040.gpio[gpio].set_input_value(False)


BOARD = replace(BOARDS["pico"], extras=(*BOARDS["pico"].extras, Contacts))
