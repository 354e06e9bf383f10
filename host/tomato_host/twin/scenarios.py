"""Faults and adversities by name and time: what they change, when they begin, and how a person writes them down."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tomato_host.errors import TomatoError
from tomato_host.twin.sensors import chip_bits

if TYPE_CHECKING:
    from tomato_host.twin.world import World

HOUR_MS = 3_600_000
Effect = Callable[["World", float], None]
"""Sets a fault to a strength; 0 takes it back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble. `adversity` changes physics, `hardware` parts, `link` the cable, `power` the board."""

    name: str
    kind: Literal["adversity", "hardware", "link", "power"]
    at_h: float
    for_h: float
    effect: Effect
    meaning: str


def _heatwave(world: World, strength: float) -> None:
    world.surroundings.warmer_k += 9.0 * strength


def _cold_spell(world: World, strength: float) -> None:
    world.surroundings.warmer_k -= 9.0 * strength


def _dry_inflow(world: World, strength: float) -> None:
    world.surroundings.vapour_factor *= 1.0 - 0.65 * strength if strength > 0.0 else 1.0 / (1.0 + 0.65 * strength)


def _wind_spike(world: World, strength: float) -> None:
    world.surroundings.wind_factor *= 1.0 + 9.0 * strength if strength > 0.0 else 1.0 / (1.0 - 9.0 * strength)


def _sensor_dropout(world: World, strength: float) -> None:
    bits = chip_bits("sht4x")
    world.sensors.faults.absent = (
        world.sensors.faults.absent | bits if strength > 0.0 else (world.sensors.faults.absent & ~bits)
    )


def _pump_clog(world: World, strength: float) -> None:
    world.tent.pump_factor = 1.0 - 0.98 * strength if strength > 0.0 else 1.0


def _valve_stuck(world: World, strength: float) -> None:
    world.tent.drip_ml_s = max(0.0, 4.0 * strength)


def _leak(world: World, strength: float) -> None:
    world.leaking = strength > 0.0
    world.tent.spill_factor = max(0.0, 0.5 * strength)
    if strength < 0.0:
        world.tent.truth().floor_ml = 0.0  # a person found and mopped it


def _probe_drift(world: World, strength: float) -> None:
    world.probe_drift_pct_h = 2.0 * strength if strength > 0.0 else 0.0
    if strength < 0.0:
        world.sensors.faults.probe_drift_pct[0] = 0.0


def _link_noise(world: World, strength: float) -> None:
    world.cable.noise = max(0.0, 0.1 * strength)


def _link_cut(world: World, strength: float) -> None:
    world.cable.cut = strength > 0.0


def _host_kill(world: World, strength: float) -> None:
    world.cable.host_dead = strength > 0.0


def _board_reset(world: World, strength: float) -> None:
    world.power.reset_on_pump = strength > 0.0


def _brownout(world: World, strength: float) -> None:
    if strength > 0.0:
        world.power.brownout = True


def _reservoir_empty(world: World, strength: float) -> None:
    world.tent.truth().reservoir_ml = 200.0 if strength > 0.0 else world.tent.params.reservoir_ml


FAULTS: dict[str, Fault] = {
    f.name: f
    for f in (
        Fault("heatwave", "adversity", 6.0, 30.0, _heatwave, "The room is 9 K warmer."),
        Fault("dry_inflow", "adversity", 6.0, 24.0, _dry_inflow, "The room's air holds 65 % less vapour."),
        Fault("wind_spike", "adversity", 10.0, 3.0, _wind_spike, "Draught: leakage grows several times."),
        Fault("cold_spell", "adversity", 6.0, 30.0, _cold_spell, "The room is 9 K colder."),
        Fault("sensor_dropout", "hardware", 8.0, 3.0, _sensor_dropout, "The SHT4x stops answering."),
        Fault("pump_clog", "hardware", 4.0, 8.0, _pump_clog, "The pump delivers 2 % of its flow."),
        Fault("valve_stuck", "hardware", 5.0, 0.5, _valve_stuck, "Water runs at 4 ml/s with the pump off."),
        Fault("leak", "hardware", 5.0, 6.0, _leak, "Half of the pumped water runs on the floor."),
        Fault("probe_drift", "hardware", 4.0, 12.0, _probe_drift, "Probe 1 drifts up by 2 points an hour."),
        Fault("link_noise", "link", 6.0, 2.0, _link_noise, "A tenth of the chunks on the line flip, vanish or double."),
        Fault("link_cut", "link", 6.0, 0.5, _link_cut, "No byte passes the cable."),
        Fault(
            "board_reset", "power", 2.0, 12.0, _board_reset, "The board resets in the middle of the next pump pulse."
        ),
        Fault("host_kill", "link", 6.0, 0.5, _host_kill, "The host falls silent and starts again later."),
        Fault("brownout", "power", 7.0, 1.0, _brownout, "The supply dips and the board starts again."),
        Fault(
            "reservoir_empty", "hardware", 4.0, 6.0, _reservoir_empty, "The reservoir is empty until a person fills it."
        ),
    )
}
"""Every fault by name, with the hours it has when none are given."""


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
        return ",".join(o.name for o in self.occurrences) or "calm"

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
        if not text or text in ("calm", "none"):
            return cls()
        if text.endswith(".toml"):
            return cls._from_file(Path(text))
        return cls(tuple(_read(part.strip()) for part in text.split(",") if part.strip()))

    @classmethod
    def _from_file(cls, path: Path) -> Scenario:
        """A file of [[fault]] tables with name and, if wanted, at_h, for_h and strength."""
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8")).get("fault", [])
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise _bad(f"Cannot read the scenario file {path}: {error}.") from error
        if not isinstance(tables, list) or not tables:
            raise _bad(f"The scenario file {path} has no [[fault]] table.")
        found = []
        for table in tables:
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
        return _checked(name, float(at) if at else fault.at_h, float(length) if length else fault.for_h, 1.0)
    except ValueError:
        raise _bad(f"'{part}' is not name@hours or name@hours+length.") from None


def _known(name: str) -> Fault:
    fault = FAULTS.get(name)
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
