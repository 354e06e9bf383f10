"""The drawings are what the pin maps say: every used pin stands in the drawing of its board, none twice."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from tomato.boards import esp32, pico

from tools.make_drawings import HEADERS, TARGET, drawings, uses, wiring

BOARDS = (("pico", pico), ("esp32", esp32))


def test_the_committed_drawings_are_those_of_the_pin_maps() -> None:
    for name, content in drawings().items():
        assert (TARGET / name).read_text(encoding="utf-8") == content, f"{name}: python tools/make_drawings.py"


@pytest.mark.parametrize(("name", "board"), BOARDS)
def test_every_pin_of_the_map_is_drawn(name: str, board: ModuleType) -> None:
    drawn, used = wiring(name, board), uses(board)
    pins = {*board.OUTPUT_PINS, *(pin for pin, _ in board.INPUT_PINS.values()), *board.ADC_PINS, *board.I2C_PINS[1:]}
    assert pins | {board.FLOW_PIN, board.ONEWIRE_PIN, board.LED_PIN, board.BUZZER_PIN} == set(used)
    header = HEADERS[name]
    on_header = [pin for pin in (*header.left, *header.right) if isinstance(pin, int)]
    assert len(on_header) == len(set(on_header)) and set(used) <= set(on_header)
    assert len(re.findall('class="use"', drawn)) > len(used), "and supply and ground"


def test_a_changed_pin_changes_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = wiring("pico", pico)
    monkeypatch.setattr(pico, "LED_PIN", 21)
    assert wiring("pico", pico) != before
    monkeypatch.setattr(pico, "LED_PIN", 23)
    with pytest.raises(AssertionError, match="on no header"):
        wiring("pico", pico)
