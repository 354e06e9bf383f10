"""`tomato-host calibrate soil|pump`: two-step wizards that teach the board the grower's own substrate and pump."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.board.events import Result
    from tomato_host.board.session import BoardSession, LinkEvent

app = typer.Typer(no_args_is_help=True, help="Calibrate the soil probes and the pump; the board keeps the values.")

Port = Annotated[str, typer.Option("--port", envvar="TOMATO_PORT", help="The board's port, as for `run --board`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Ask nothing; print one JSON line. All values must be given.")]
STEP_MS = 200
CONNECT_MS = 15_000
ANSWER_MS = 15_000
READINGS = 5
LEASE_EVERY_MS = 2_000
LEAST_SPAN_COUNTS = 2_000
"""Two points closer than this say nothing: the probe was not moved, or is not one."""


@dataclass(slots=True)
class Bench:
    """A talk with the board outside the deciding loop. `now_ms` and `wait_s` are the clock's and the line's."""

    session: BoardSession
    now_ms: Callable[[], int]
    wait_s: Callable[[float], object]

    def until(self, wanted: Callable[[LinkEvent], Any], within_ms: int, lease: bool = False) -> Any:
        """The first thing `wanted` makes of an event; None when `within_ms` pass without. Renews the lease if asked."""
        deadline, leased_ms = self.now_ms() + within_ms, -LEASE_EVERY_MS
        while self.now_ms() < deadline:
            if lease and self.now_ms() - leased_ms >= LEASE_EVERY_MS:
                leased_ms = self.now_ms()
                self.session.renew_lease(leased_ms)
            for event in self.session.poll(self.now_ms()):
                found = wanted(event)
                if found is not None:
                    return found
            self.wait_s(STEP_MS / 1000)
        return None

    def connect(self) -> None:
        """Greet the board. Raises TomatoError E-BOARD-SILENT or E-SCHEMA-MISMATCH."""
        from tomato_host.board.events import Connected, Mismatch

        answer = self.until(lambda e: e if isinstance(e, Connected | Mismatch) else None, CONNECT_MS)
        if answer is None:
            raise TomatoError("E-BOARD-SILENT", "Nobody answers on that port.",
                              "check the cable; `make flash` if the board has no firmware yet")
        if isinstance(answer, Mismatch):
            raise TomatoError("E-SCHEMA-MISMATCH", answer.text, "make flash")

    def result(self, cmd_id: int) -> Result:
        """The board's word on a command. Raises TomatoError E-BOARD-REFUSED or E-BOARD-SILENT."""
        from tomato_host.board.events import Result

        answer = self.until(lambda e: e if isinstance(e, Result) and e.cmd_id == cmd_id else None, ANSWER_MS)
        if answer is None:
            raise TomatoError("E-BOARD-SILENT", "The board did not answer the command.", "check the cable, try again")
        if answer.status == "REJECTED":
            raise _refused(answer)
        return answer  # type: ignore[no-any-return]  # `until` gives what the lambda made: a Result

    def configure(self, values: dict[str, int]) -> None:
        """Set CONFIG entries, one by one, each confirmed."""
        for key, value in values.items():
            self.result(self.session.configure(key, value))

    def raw_count(self, probe: int) -> int:
        """The median of a few fresh raw counts of a probe. Raises TomatoError E-CALIBRATE-READING."""
        from tomato_host.board.events import Sample

        name = f"soil_p{probe}_raw"
        counts: list[float] = []
        self.result(self.session.set_sampling(2_000))

        def reading(event: LinkEvent) -> str | None:
            if not isinstance(event, Sample) or event.backlog:
                return None
            value = event.values.get(name)
            if value is None:
                return event.why.get(name, "unknown")
            counts.append(value)
            return "enough" if len(counts) >= READINGS else None

        why = self.until(reading, 120_000)
        if why != "enough":
            raise TomatoError("E-CALIBRATE-READING", f"Probe {probe} gives no count: {why or 'no sample came'}.",
                              "plug the probe in; `tomato-host doctor` and docs/wiring.md help")
        return round(statistics.median(counts))

    def dose(self, ml: int) -> float:
        """Run the pump for one dose; seconds it was on, by the board's own clock. Raises TomatoError as `result`."""
        from tomato_host.board.events import BoardEvent, Result

        self.until(lambda event: None, 500, lease=True)
        cmd_id = self.session.pulse("water_pump", ml)
        marks: dict[str, int] = {}

        def ended(event: LinkEvent) -> object:
            if isinstance(event, BoardEvent) and event.name in ("pulse_start", "pulse_end"):
                marks[event.name] = event.t_ms
            refused = isinstance(event, Result) and event.cmd_id == cmd_id and event.status in ("REJECTED", "ABORTED")
            return event if refused else (True if len(marks) == 2 else None)

        outcome = self.until(ended, 60_000, lease=True)
        if isinstance(outcome, Result):
            raise _refused(outcome)
        if outcome is None:
            raise TomatoError("E-BOARD-SILENT", "The board did not tell the end of the dose.", "try again")
        return (marks["pulse_end"] - marks["pulse_start"]) / 1000


def _refused(answer: Result) -> TomatoError:
    return TomatoError("E-BOARD-REFUSED", f"The board said {answer.status.lower()}: {answer.reason}.",
                       "docs/safety.md tells what each interlock wants; mend that and try again")


def open_bench(port: str) -> Bench:
    """Open the port and greet the board. Raises TomatoError as SerialPort.open and Bench.connect do."""
    import time

    from tomato_host.board.port import SerialPort
    from tomato_host.board.session import BoardSession

    if not port:
        raise TomatoError("E-PORT-MISSING", "No port was given.", "add `--port /dev/ttyACM0`, or set TOMATO_PORT")
    session = BoardSession(lambda: SerialPort.open(port), os.getpid() % 65_535 + 1)
    session.open_now()
    bench = Bench(session, lambda: time.monotonic_ns() // 1_000_000, session.wait)
    bench.connect()
    return bench


def soil_values(probe: int, dry_raw: int, wet_raw: int, dry_pct: float, wet_pct: float) -> dict[str, int]:
    """CONFIG entries for one probe, checked. Raises TomatoError E-CALIBRATE-RANGE."""
    if abs(dry_raw - wet_raw) < LEAST_SPAN_COUNTS:
        raise TomatoError("E-CALIBRATE-RANGE", f"The counts {dry_raw} and {wet_raw} are too close together.",
                          f"the two points must lie {LEAST_SPAN_COUNTS} counts apart: was the substrate really wet?")
    return _checked({f"soil_p{probe}_dry_raw": dry_raw, f"soil_p{probe}_wet_raw": wet_raw,
                     "soil_dry_pct": round(dry_pct * 100), "soil_wet_pct": round(wet_pct * 100)})


def pump_values(seconds: float, ml: float) -> dict[str, int]:
    """CONFIG entries for the pump, checked. Raises TomatoError E-CALIBRATE-RANGE."""
    if seconds <= 0.0:
        raise TomatoError("E-CALIBRATE-RANGE", f"The pump cannot have run for {seconds:g} s.", "give the time it ran")
    return _checked({"pump_ul_per_s": round(ml * 1000 / seconds)})


def _checked(values: dict[str, int]) -> dict[str, int]:
    from shared_schemas.wire import CONFIG_KEYS

    rows = {row.name: row for row in CONFIG_KEYS}
    for key, value in values.items():
        row = rows[key]
        if not row.lowest <= value <= row.highest:
            raise TomatoError(
                "E-CALIBRATE-RANGE", f"{key} = {value / row.scale:g} {row.unit} is out of range.",
                f"the board takes {row.lowest / row.scale:g} to {row.highest / row.scale:g}; see docs/calibration.md")
    return values


def _told(values: dict[str, int], as_json: bool) -> None:
    typer.echo(json.dumps({"set": values}) if as_json
               else "The board took " + ", ".join(f"{key} = {value}" for key, value in values.items()) + ".")


def _missing(**values: object) -> None:
    """In a script every value must be there. Raises TomatoError E-CALIBRATE-VALUE."""
    absent = [f"--{name.replace('_', '-')}" for name, value in values.items() if value is None]
    if absent:
        raise TomatoError("E-CALIBRATE-VALUE", f"With --json nothing is asked: {', '.join(absent)} is missing.",
                          "give all values, or leave --json out for the wizard")


def _point(bench: Bench, probe: int, name: str, raw: int | None, pct: float | None) -> tuple[int, float]:
    """One calibration point: what was given, and what the wizard asks for."""
    if raw is None:
        typer.confirm(f"Put probe {probe} into the {name} substrate, as deep as it will stand. Ready?", abort=True)
        raw = bench.raw_count(probe)
        typer.echo(f"The {name} point reads {raw} counts.")
    if pct is None:
        pct = float(typer.prompt(f"Water content of the {name} substrate in % of its volume", type=float))
    return raw, pct


@app.command()
def soil(
    probe: Annotated[int, typer.Option("--probe", min=1, max=2, help="Which probe.")],
    port: Port = "",
    dry_raw: Annotated[int | None, typer.Option(help="Raw count at the dry point; without it, it is read.")] = None,
    wet_raw: Annotated[int | None, typer.Option(help="Raw count at the wet point; without it, it is read.")] = None,
    dry_pct: Annotated[float | None, typer.Option(help="Water content at the dry point, % of the volume.")] = None,
    wet_pct: Annotated[float | None, typer.Option(help="Water content at the wet point, % of the volume.")] = None,
    as_json: AsJson = False,
) -> None:
    """Teach the board two points of one probe in your own substrate: dry, then wet."""
    if as_json:
        _missing(dry_raw=dry_raw, wet_raw=wet_raw, dry_pct=dry_pct, wet_pct=wet_pct)
    bench = open_bench(port)
    try:
        dry_raw, dry_pct = _point(bench, probe, "dry", dry_raw, dry_pct)
        wet_raw, wet_pct = _point(bench, probe, "wet", wet_raw, wet_pct)
        values = soil_values(probe, dry_raw, wet_raw, dry_pct, wet_pct)
        bench.configure(values)
    finally:
        bench.session.close()
    _told(values, as_json)


@app.command()
def pump(
    port: Port = "",
    seconds: Annotated[float | None, typer.Option(help="How long the pump ran; without it, it runs now.")] = None,
    ml: Annotated[float | None, typer.Option(help="What was in the jug after that time.")] = None,
    dose_ml: Annotated[int, typer.Option(min=20, max=250, help="The dose the wizard asks the board for.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Teach the board what the pump really delivers: run it into a jug, then read the jug."""
    if as_json:
        _missing(seconds=seconds, ml=ml)
    bench = open_bench(port)
    try:
        if seconds is None:
            typer.confirm("Put the hose into a measuring jug. The pump will run for up to 30 s. Ready?", abort=True)
            seconds = bench.dose(dose_ml)
            typer.echo(f"The pump ran for {seconds:.2f} s.")
        if ml is None:
            ml = float(typer.prompt("How many ml are in the jug", type=float))
        values = pump_values(seconds, ml)
        bench.configure(values)
    finally:
        bench.session.close()
    _told(values, as_json)
