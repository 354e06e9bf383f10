"""What is wrong with the serial link and with the power supply just now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SerialLinkFaults:
    """State of the serial link. `noise` is the probability that a chunk is spoilt."""

    noise: float = 0.0
    cut: bool = False
    host_dead: bool = False


@dataclass(slots=True)
class PowerFaults:
    """What the supply does to the board."""

    brownout: bool = False
    reset_on_pump: bool = False
