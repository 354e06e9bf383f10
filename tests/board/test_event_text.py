"""What the board's codes become for a person."""

from __future__ import annotations

import pytest
from tomato_host.board.event_text import describe
from tomato_host.board.events import BoardEvent

from shared_schemas.devices import OUTPUTS

NUMBER = {row.name: at for at, row in enumerate(OUTPUTS)}


def said(name: str, a: int, b: int) -> str:
    return describe(BoardEvent(boot_id=1, seq=1, t_ms=0, host_ms=0.0, name=name, a=a, b=b))[1]


@pytest.mark.parametrize(
    ("name", "output", "amount", "text"),
    [
        ("pulse_start", "light", 900_000, "light: on, for 900 s at most."),
        ("pulse_end", "exhaust_fan", 41_445, "exhaust_fan: off after 41.445 s."),
        ("pulse_start", "water_pump", 90, "water_pump: on, for 90 ml at most."),
        ("pulse_end", "water_pump", 88, "water_pump: off after 88 ml."),
    ],
)
def test_a_pulse_is_told_in_its_own_unit(name: str, output: str, amount: int, text: str) -> None:
    assert said(name, NUMBER[output], amount) == text


def test_a_newer_boards_output_is_told_by_number() -> None:
    assert said("pulse_end", 99, 1_000) == "99: off after 1 s."
