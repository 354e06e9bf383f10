"""The table of ports: docs/ports.md shows it whole, and the stand-ins refuse what its columns refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.vm.ports import CHANGES, DEFAULT, PORTS, PROFILES, VERSIONS, profile
from tomato_host.twin.world import World

from tests.twin.conftest import Probe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ports.md"


def shown(value: object) -> str:
    """A cell: long tuples as ranges."""
    if isinstance(value, tuple) and len(value) > 4:
        runs: list[list[int]] = []
        for number in value:
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in runs)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def cell(port: str, key: str) -> str:
    """A key's value on a port, with what later versions changed."""
    text = shown(PORTS[port][key])
    for changed, since, name, value in CHANGES:
        if (changed, name) == (port, key):
            text += f"; from {since} on: {shown(value)}"
    return text


def table() -> str:
    """The rows of docs/ports.md."""
    rows = ["| | rp2 | esp32 |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{key}` | {cell('rp2', key)} | {cell('esp32', key)} |" for key in PORTS["rp2"]])


def test_the_page_shows_the_table() -> None:
    assert table() in PAGE.read_text()
    assert set(PORTS["rp2"]) == set(PORTS["esp32"])
    for version in VERSIONS:
        assert version in PAGE.read_text()


def test_profiles_are_columns() -> None:
    assert DEFAULT in PROFILES and len(PROFILES) == 10
    assert profile("esp32-1.24")["timer_minus_1"] == "hardware timer 3"
    assert [profile(f"rp2-{v}")["timer_hard"] for v in VERSIONS] == ["unknown", "unknown", "yes", "yes", "yes"]
    with pytest.raises(KeyError):
        profile("rp2-1.23")


@pytest.fixture(params=PROFILES)
def chip(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Probe, dict[str, object]]]:
    """A probe whose `machine` is that of a port and version."""

    class Chip(VirtualBoard):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]  # as they came
            from dataclasses import replace

            self._settings = replace(self._settings, port=request.param)

    from tests.twin import conftest

    keep, conftest.VirtualBoard = conftest.VirtualBoard, Chip  # type: ignore[misc,assignment]  # for this probe only
    try:
        probe = Probe(World(1), tmp_path)
    finally:
        conftest.VirtualBoard = keep  # type: ignore[misc]
    yield probe, profile(request.param)
    probe.close()


def test_the_stand_ins_are_as_strict_as_the_port(chip: tuple[Probe, dict[str, object]]) -> None:
    probe, port = chip

    def refuses(expression: str, error: str) -> bool:
        return probe.ask(expression).startswith(f"!{error}")

    assert refuses("Timer(-1)", "ValueError") == (port["timer_minus_1"] == "ValueError")
    assert refuses("Timer(1)", "ValueError") == (1 not in port["timer_ids"])  # type: ignore[operator]  # a tuple
    assert refuses("Timer(4)", "ValueError")
    assert refuses("Timer()", "TypeError") == bool(port["timer_ids"])
    timer = "Timer(0)" if port["timer_ids"] else "Timer(-1)"
    hard = f"{timer}.init(mode=Timer.ONE_SHOT, period=9, callback=print, hard=True)"
    assert refuses(hard, "TypeError") == (port["timer_hard"] == "unknown")
    assert refuses(hard, "ValueError") == (port["timer_hard"] == "refused")
    assert refuses(f"{timer}.init(period=9, nonsense=1)", "TypeError")
    assert refuses("Pin(12, Pin.IN).irq(handler=print, hard=True)", "TypeError") == (port["irq_hard"] != "yes")
    assert refuses("WDT(timeout=0)", "ValueError") and refuses("WDT(timeout=9000)", "ValueError") == (
        port["port"] == "rp2"
    )
    assert refuses("Pin(40)", "ValueError") and refuses("Pin(34, Pin.OUT)", "ValueError")
    adc = 34 if port["port"] == "esp32" else 26
    assert refuses(f"ADC(Pin({adc}), atten=ADC.ATTN_11DB)", "TypeError") == (not port["adc_atten"])
    assert refuses("ADC(Pin(12))", "ValueError")
    saturated = probe.ask(f"ADC(Pin({adc})).read_u16()") == "65535"
    assert saturated == (port["adc_default_mv"] == 1_100), "a probe at 2 V is off a scale of 1.1 V"
    assert refuses("Pin(12).high()", "AttributeError") == (not port["pin_high_low"])
    assert refuses("I2C(2)", "ValueError")


def test_an_interrupt_may_not_allocate(make_probe: object) -> None:
    probe: Probe = make_probe(World(1))  # type: ignore[operator]  # the fixture
    probe.ask("globals().__setitem__('seen', [])")
    probe.ask("Timer(-1).init(mode=Timer.ONE_SHOT, period=100, hard=True, callback=lambda t: seen.append([0] * 50))")
    assert probe.ask("time.sleep_ms(500)").startswith("!MemoryError"), "the heap is locked, as in a real one"
    assert probe.ask("seen") == "[]"
