"""Faults and adversities by name: the one table of names, and how a person writes down what happens when.

Everything that provokes trouble takes its names from here: the twin (`twin/fault_effects.py`), the synthetic day
(`sources/synthetic_faults.py`), the command line, and the drills of docs/runbook.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tomato_host.errors import TomatoError
from tomato_host.toml_file import bounded_text

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ScenarioFault:
    """One kind of trouble. `adversity` changes the surroundings, `hardware` parts, `link` the line, `power` the board.

    `at_h` and `for_h` are the twin's hours when none are given: begin after the start, and length.
    """

    name: str
    kind: Literal["adversity", "hardware", "link", "power"]
    at_h: float
    for_h: float
    meaning: str


FAULTS: dict[str, ScenarioFault] = {
    fault.name: fault
    for fault in (
        ScenarioFault("heatwave", "adversity", 6.0, 30.0, "The room is 9 K warmer."),
        ScenarioFault("dry_inflow", "adversity", 6.0, 24.0, "The room's air holds 65 % less vapour."),
        ScenarioFault("wind_spike", "adversity", 10.0, 3.0, "Draught: leakage grows several times."),
        ScenarioFault("cold_spell", "adversity", 6.0, 30.0, "The room is 9 K colder."),
        ScenarioFault("sensor_dropout", "hardware", 8.0, 3.0, "The SHT4x stops answering."),
        ScenarioFault("pump_clog", "hardware", 4.0, 8.0, "The pump delivers 2 % of its flow."),
        ScenarioFault("valve_stuck", "hardware", 5.0, 0.5, "Water runs at 4 ml/s with the pump off."),
        ScenarioFault("leak", "hardware", 5.0, 6.0, "Half of the pumped water runs on the floor."),
        ScenarioFault(
            "uneven_drippers",
            "hardware",
            0.0,
            168.0,
            "Pot 1 gets 10 points more of the water, until a person evens it out.",
        ),
        ScenarioFault("probe_drift", "hardware", 4.0, 12.0, "Probe 1 drifts up by 2 points an hour."),
        ScenarioFault("probe_disconnect", "hardware", 4.0, 6.0, "Probe 1 is unplugged."),
        ScenarioFault("probe_stuck", "hardware", 4.0, 12.0, "Probe 1 shows one value, whatever the soil does."),
        ScenarioFault("probe_jump", "hardware", 4.0, 6.0, "Probe 1 reads 22 points more at once."),
        ScenarioFault("link_noise", "link", 6.0, 2.0, "A tenth of the chunks on the line flip, vanish or double."),
        ScenarioFault("link_cut", "link", 6.0, 0.5, "No byte passes the cable."),
        ScenarioFault("board_reset", "power", 2.0, 12.0, "The board resets in the middle of the next pump pulse."),
        ScenarioFault("host_kill", "link", 6.0, 0.5, "The host falls silent and starts again later."),
        ScenarioFault("brownout", "power", 7.0, 1.0, "The supply dips and the board starts again."),
        ScenarioFault("reservoir_empty", "hardware", 4.0, 6.0, "The reservoir is empty until a person fills it."),
    )
}
"""Every fault by name."""

CALM = "calm"
"""The scenario without a fault."""

OLD_NAMES = {"normal": CALM, "none": CALM, "reservoir_low": "reservoir_empty", "board_lost": "link_cut"}
"""Names of version 0.1 that are still understood, and what they are called now."""


def present_name(name: str) -> str:
    """The name as the table has it; an unknown one is returned as it is."""
    return OLD_NAMES.get(name, name)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A fault in a scenario: begins at `at_h` hours after the start and lasts `for_h` hours."""

    name: str
    at_h: float
    for_h: float
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults of one run, in any combination."""

    occurrences: tuple[Occurrence, ...] = ()

    @property
    def name(self) -> str:
        """The names joined by commas, or `calm`."""
        return ",".join(o.name for o in self.occurrences) or CALM

    def timeline(self) -> list[tuple[int, float, str]]:
        """(moment in ms, signed strength, name) in order; a negative strength takes the fault back."""
        moments: list[tuple[int, float, str]] = []
        for o in self.occurrences:
            moments.append((round(o.at_h * HOUR_MS), o.strength, o.name))
            moments.append((round((o.at_h + o.for_h) * HOUR_MS), -o.strength, o.name))
        return sorted(moments)

    @classmethod
    def parse(cls, text: str | None) -> Scenario:
        """Read `heatwave,leak@5,link_cut@6+0.2` (start hour, length in hours) or the path of a TOML file.

        Raises TomatoError `E-TWIN-SCENARIO` that names the fault and what is allowed.
        """
        if not text or present_name(text) == CALM:
            return cls()
        if text.endswith(".toml"):
            return cls._from_file(Path(text))
        return cls(tuple(_read(part.strip()) for part in text.split(",") if part.strip()))

    @classmethod
    def _from_file(cls, path: Path) -> Scenario:
        """A file of [[fault]] tables with name and, if wanted, at_h, for_h and strength."""
        try:
            tables = tomllib.loads(bounded_text(path)).get("fault", [])
        except (OSError, ValueError, RecursionError) as error:
            raise _bad(f"Cannot read the scenario file {path}: {error}.") from error
        if not isinstance(tables, list) or not tables:
            raise _bad(f"The scenario file {path} has no [[fault]] table.")
        found = []
        for table in tables:
            if not isinstance(table, dict):
                raise _bad(f"The scenario file {path} has a fault that is no table.")
            unknown = set(table) - {"name", "at_h", "for_h", "strength"}
            if unknown:
                raise _bad(f"The scenario file {path} has unknown keys: {', '.join(sorted(unknown))}.")
            fault = _known(str(table.get("name", "")))
            found.append(
                _checked(
                    fault.name,
                    table.get("at_h", fault.at_h),
                    table.get("for_h", fault.for_h),
                    table.get("strength", 1.0),
                )
            )
        return cls(tuple(found))


def _read(part: str) -> Occurrence:
    name, _, times = part.partition("@")
    fault = _known(name)
    at, _, length = times.partition("+")
    try:
        return _checked(fault.name, float(at) if at else fault.at_h, float(length) if length else fault.for_h, 1.0)
    except ValueError:
        raise _bad(f"'{part}' is not name@hours or name@hours+length.") from None


def _known(name: str) -> ScenarioFault:
    fault = FAULTS.get(present_name(name))
    if fault is None:
        raise _bad(f"There is no fault named '{name}'.")
    return fault


def _checked(name: str, at_h: object, for_h: object, strength: object) -> Occurrence:
    numbers = []
    for label, value, top in (("at_h", at_h, 10_000.0), ("for_h", for_h, 10_000.0), ("strength", strength, 1.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= top:
            raise _bad(f"{label} of fault '{name}' must be a number from 0 to {top:g}, not {value!r}.")
        numbers.append(float(value))
    return Occurrence(name, numbers[0], numbers[1], numbers[2])


def _bad(message: str) -> TomatoError:
    return TomatoError("E-TWIN-SCENARIO", message, f"Known faults: {', '.join(sorted(FAULTS))}; or a .toml file.")
