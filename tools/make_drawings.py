"""Draw the wiring of both boards and the places in the tent: SVG files in docs/drawings, from the boards' own pin maps.

The pin numbers stand in `firmware/tomato/boards/*.py` alone; `--check` fails when a drawing is not what they say.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "firmware")]

from tomato.boards import esp32, pico  # noqa: E402

from shared_schemas.devices import OUTPUTS  # noqa: E402

TARGET = ROOT / "docs" / "drawings"
ROW, TOP, LEFT, RIGHT, WIDTH = 27, 92, 440, 620, 1060
COLOURS = {"output": "#b8321f", "input": "#1d5f97", "analog": "#2f6f24", "bus": "#7a4aa0", "power": "#444444"}
KINDS = {
    "output": "output: one relay or MOSFET, active high, pull-down of at most 8.2 kOhm to GND",
    "input": "contact or pulse to GND; a broken wire reads as the unsafe answer",
    "analog": "soil probe, 0 to 3.0 V, 100 kOhm to 3.3 V",
    "bus": "I2C: 2.2 to 4.7 kOhm to 3.3 V; DS18B20: 4.7 kOhm to 3.3 V",
    "power": "supply",
}
GND, V33 = "GND", "3V3"


@dataclass(frozen=True, slots=True)
class Header:
    """A board's pins from the top: a GPIO number, or the name of a pin that is none."""

    title: str
    left: tuple[int | str, ...]
    right: tuple[int | str, ...]
    first_right: int
    """Number of the top pin on the right; the left begins with 1. 0: the pins are not numbered."""
    prefix: str


HEADERS = {
    "pico": Header(
        "Raspberry Pi Pico, Pico 2 (USB above)",
        (0, 1, GND, 2, 3, 4, 5, GND, 6, 7, 8, 9, GND, 10, 11, 12, 13, GND, 14, 15),
        ("VBUS", "VSYS", GND, "3V3_EN", V33, "VREF", 28, "AGND", 27, 26, "RUN", 22, GND, 21, 20, 19, 18, GND, 17, 16),
        40,
        "GP",
    ),
    "esp32": Header(
        "ESP32-DevKitC (WROOM-32, USB below)",
        (V33, "EN", 36, 39, 34, 35, 32, 33, 25, 26, 27, 14, 12, GND, 13, "D2", "D3", "CMD", "5V"),
        (GND, 23, 22, "TX", "RX", 21, GND, 19, 18, 5, 17, 16, 4, 0, 2, 15, "D1", "D0", "CLK"),
        0,
        "IO",
    ),
}
"""Raspberry Pi Pico datasheet, figure 2; ESP32-DevKitC V4 user guide, header block."""
INPUTS = {
    "estop": "emergency stop, normally closed contact",
    "button": "push button",
    "reservoir_ok": "float: closed while there is water",
    "leak": "leak detector: closed while dry",
    "door_open": "door contact: closed while shut",
}


def uses(board: ModuleType) -> dict[int, tuple[str, str]]:
    """GPIO to kind and text, all from the pin map of the board."""
    found = {pin: ("output", row.label) for pin, row in zip(board.OUTPUT_PINS, OUTPUTS, strict=True)}
    found |= {pin: ("input", INPUTS[name]) for name, (pin, _) in board.INPUT_PINS.items()}
    pull = "" if board.FLOW_PULL_UP else ", 10 kOhm to 3.3 V"
    found[board.FLOW_PIN] = ("input", f"flow meter, open collector{pull}")
    found |= {pin: ("analog", f"soil probe P{number}") for number, pin in enumerate(board.ADC_PINS, 1)}
    _, clock, data = board.I2C_PINS
    found |= {clock: ("bus", "I2C SCL: SHT4x, SCD4x, MLX90614, BH1750"), data: ("bus", "I2C SDA: the same four")}
    found |= {board.ONEWIRE_PIN: ("bus", "DS18B20, in the substrate")}
    return found | {board.LED_PIN: ("output", "LED, 330 Ohm"), board.BUZZER_PIN: ("output", "buzzer")}


def text(x: float, y: float, words: str, anchor: str = "start", extra: str = "") -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def wiring(name: str, board: ModuleType) -> str:
    """The board with what is wired to each of its pins."""
    header, used = HEADERS[name], uses(board)
    rows = max(len(header.left), len(header.right))
    height = TOP + rows * ROW + 40 + 22 * len(KINDS)
    parts = [
        f'<rect x="{LEFT}" y="{TOP - 24}" width="{RIGHT - LEFT}" height="{rows * ROW + 30}" rx="12" class="board"/>',
        text(WIDTH / 2, 34, f"{header.title}: wiring", "middle", ' class="title"'),
        text(
            WIDTH / 2,
            56,
            f"from firmware/tomato/boards/{name}.py; read docs/wiring.md and docs/safety.md first",
            "middle",
        ),
    ]
    for side, pins in (("left", header.left), ("right", header.right)):
        for row, pin in enumerate(pins):
            parts += _pin(header, side, row, pin, used)
    missing = set(used) - {pin for pin in (*header.left, *header.right) if isinstance(pin, int)}
    assert not missing, f"{name}: pins {missing} are on no header"
    y = TOP + rows * ROW + 30
    for number, (kind, meaning) in enumerate(KINDS.items()):
        parts.append(f'<circle cx="40" cy="{y + 22 * number - 4}" r="6" fill="{COLOURS[kind]}"/>')
        parts.append(text(54, y + 22 * number, meaning))
    return page(WIDTH, height, f"Wiring of the {header.title}", parts)


def _pin(header: Header, side: str, row: int, pin: int | str, used: dict[int, tuple[str, str]]) -> list[str]:
    y = TOP + row * ROW
    out, at = (-1, LEFT) if side == "left" else (1, RIGHT)
    number = (row + 1 if side == "left" else header.first_right - row) if header.first_right else 0
    label = f"{header.prefix}{pin}" if isinstance(pin, int) else pin
    inside = text(at - out * 12, y + 4, f"{label} ({number})" if number else label, "start" if out < 0 else "end")
    kind, words = used.get(pin, ("", "")) if isinstance(pin, int) else _supply(pin)
    if not kind:
        return [f'<circle cx="{at}" cy="{y}" r="4" class="free"/>', inside]
    line = f'<path d="M{at} {y}h{out * 40}" stroke="{COLOURS[kind]}" stroke-width="3"/>'
    dot = f'<circle cx="{at}" cy="{y}" r="5" fill="{COLOURS[kind]}"/>'
    return [line, dot, inside, text(at + out * 48, y + 4, words, "end" if out < 0 else "start", ' class="use"')]


def _supply(pin: str) -> tuple[str, str]:
    known = {V33: "3.3 V of sensors and pull-ups", "VSYS": "5 V in, or by USB", "5V": "5 V in, or by USB"}
    return ("power", known[pin]) if pin in known else ("power", "ground") if pin in (GND, "AGND") else ("", "")


PLACES = (
    (300, 70, "lamp, with its thermal cut-out", "output"),
    (508, 92, "exhaust fan: top, outwards", "output"),
    (92, 150, "circulation fan: above the leaves, across", "output"),
    (300, 186, "SHT4x in a ventilated shade, at leaf height", "bus"),
    (398, 226, "MLX90614: 20 cm from a leaf, never at the lamp", "bus"),
    (202, 226, "BH1750: flat, at the canopy", "bus"),
    (470, 300, "SCD4x: away from the exhaust and from you", "bus"),
    (214, 392, "probe P1 and DS18B20: half depth, between stem and rim", "analog"),
    (386, 392, "probe P2", "analog"),
    (300, 440, "heater mat, with its own fuse", "output"),
    (120, 470, "leak detector: lowest point of the floor", "input"),
    (560, 470, "reservoir below the pots, float at the lowest useful level", "input"),
)
"""Where things go: x and y in the drawing, what, and of which kind."""


def tent() -> str:
    """The tent from the front with numbers, and the list of what they mean."""
    parts = [
        text(330, 30, "Places in the tent", "middle", ' class="title"'),
        '<rect x="60" y="50" width="480" height="430" rx="10" class="board"/>',
        '<rect x="230" y="62" width="140" height="16" rx="5" class="thing"/>',
    ]
    for x in (214, 386):
        parts.append(
            f'<path d="M{x - 42} 350h84l-12 80h-60z" class="pot"/>'
            f'<path d="M{x} 350C{x - 8} 300 {x + 8} 250 {x} 190" class="stem"/>'
        )
        for dx, dy in ((-26, 320), (26, 296), (-28, 268), (24, 240), (-18, 216)):
            parts.append(f'<ellipse cx="{x + dx}" cy="{dy}" rx="26" ry="11" class="leaf"/>')
    parts.append(
        '<rect x="590" y="420" width="90" height="60" rx="6" class="water"/>'
        '<path d="M590 440C520 440 470 345 400 345M400 345H228" class="pipe"/>'
    )
    for number, (x, y, words, kind) in enumerate(PLACES, 1):
        parts.append(f'<circle cx="{x}" cy="{y}" r="13" fill="{COLOURS[kind]}"/>')
        parts.append(text(x, y + 5, str(number), "middle", ' class="number"'))
        parts.append(text(60, 510 + 22 * number, f"{number}  {words}"))
    return page(720, 540 + 22 * len(PLACES), "Places of lamp, fans, sensors, pots and water in the tent", parts)


def page(width: int, height: int, title: str, parts: list[str]) -> str:
    """A drawing on white, readable in a dark page as well."""
    style = (
        "text{font:13px sans-serif;fill:#22281f}.title{font-size:20px;font-weight:600}.use{font-weight:600}"
        ".number{fill:#fff;font-weight:600}.board{fill:#f6f5ef;stroke:#5b6457;stroke-width:2}.free{fill:#cfd4c8}"
        ".thing{fill:#e2b33c}.pot{fill:#9a5b3f}.stem{fill:none;stroke:#4c7a3a;stroke-width:5}.leaf{fill:#6f9a63}"
        ".water{fill:#cfe3f3;stroke:#1d5f97;stroke-width:2}.pipe{fill:none;stroke:#1d5f97;stroke-width:3}"
    )
    size = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    body = "\n".join(parts)
    return f'{head}\n<style>{style}</style>\n<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'


def drawings() -> dict[str, str]:
    """File name to content."""
    return {"wiring-pico.svg": wiring("pico", pico), "wiring-esp32.svg": wiring("esp32", esp32), "tent.svg": tent()}


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a drawing is not what the pin maps say")
    check = parser.parse_args().check
    for name, content in drawings().items():
        path = TARGET / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            print(f"{path} is out of date; run: python tools/make_drawings.py", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
