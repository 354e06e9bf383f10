"""`tomato-host calibrate soil|pump`: two-step wizards that teach the board the grower's own substrate and pump."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tomato_host.cli.board_talk import HERE, DataDir, Port, Talk, open_talk
from tomato_host.errors import TomatoError

app = typer.Typer(no_args_is_help=True, help="Calibrate the soil probes and the pump; the board keeps the values.")

AsJson = Annotated[bool, typer.Option("--json", help="Ask nothing; print one JSON line. All values must be given.")]
REASON = "calibration from the command line"


def _told(values: dict[str, int], as_json: bool) -> None:
    typer.echo(
        json.dumps({"set": values})
        if as_json
        else "The board took " + ", ".join(f"{key} = {value}" for key, value in values.items()) + "."
    )


def _missing(**values: object) -> None:
    """In a script every value must be there. Raises TomatoError E-CALIBRATE-VALUE."""
    absent = [f"--{name.replace('_', '-')}" for name, value in values.items() if value is None]
    if absent:
        raise TomatoError(
            "E-CALIBRATE-VALUE",
            f"With --json nothing is asked: {', '.join(absent)} is missing.",
            "give all values, or leave --json out for the wizard",
        )


def _point(talk: Talk, probe: int, name: str, raw: int | None, pct: float | None) -> tuple[int, float]:
    """One calibration point: what was given, and what the wizard asks for."""
    if raw is None:
        typer.confirm(f"Put probe {probe} into the {name} substrate, as deep as it will stand. Ready?", abort=True)
        raw = talk.raw_count(probe)
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
    data_dir: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Teach the board two points of one probe in your own substrate: dry, then wet. A host may run meanwhile."""
    from tomato_host.board.calibration import soil_values

    if as_json:
        _missing(dry_raw=dry_raw, wet_raw=wet_raw, dry_pct=dry_pct, wet_pct=wet_pct)
    talk = open_talk(port, data_dir, REASON)
    try:
        dry_raw, dry_pct = _point(talk, probe, "dry", dry_raw, dry_pct)
        wet_raw, wet_pct = _point(talk, probe, "wet", wet_raw, wet_pct)
        values = soil_values(probe, dry_raw, wet_raw, dry_pct, wet_pct)
        talk.configure(values)
    finally:
        talk.close()
    _told(values, as_json)


@app.command()
def pump(
    port: Port = "",
    seconds: Annotated[float | None, typer.Option(help="How long the pump ran; without it, it runs now.")] = None,
    ml: Annotated[float | None, typer.Option(help="What was in the jug after that time.")] = None,
    dose_ml: Annotated[int, typer.Option(min=20, max=250, help="The dose the wizard asks the board for.")] = 200,
    data_dir: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Teach the board what the pump really delivers: run it into a jug, then read the jug. A host may run meanwhile."""
    from tomato_host.board.calibration import pump_values

    if as_json:
        _missing(seconds=seconds, ml=ml)
    talk = open_talk(port, data_dir, REASON)
    try:
        if seconds is None:
            typer.confirm("Put the hose into a measuring jug. The pump will run for up to 30 s. Ready?", abort=True)
            seconds = talk.dose(dose_ml)
            typer.echo(f"The pump ran for {seconds:.2f} s.")
        if ml is None:
            ml = float(typer.prompt("How many ml are in the jug", type=float))
        values = pump_values(seconds, ml)
        talk.configure(values)
    finally:
        talk.close()
    _told(values, as_json)
