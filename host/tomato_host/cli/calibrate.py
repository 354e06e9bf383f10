"""`tomato-host calibrate soil|pump`: two-step wizards that calibrate soil probes and pump."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tomato_host.cli.board_client import DEFAULT_DATA_DIR, BoardClient, DataDir, Port, open_client
from tomato_host.errors import TomatoError

app = typer.Typer(no_args_is_help=True, help="Calibrate the soil probes and the pump; the board keeps the values.")

AsJson = Annotated[bool, typer.Option("--json", help="No prompts; print one JSON line. All values must be given.")]
REASON = "calibration from the command line"


def _print_set(values: dict[str, int], as_json: bool) -> None:
    typer.echo(
        json.dumps({"set": values})
        if as_json
        else "The board accepted " + ", ".join(f"{key} = {value}" for key, value in values.items()) + "."
    )


def _show_changes(client: BoardClient, values: dict[str, int], as_json: bool) -> None:
    """Print what the board has and what it will have, and ask; nothing with --json. Raises typer.Abort on a no."""
    from tomato_host.board.calibration import changes

    if as_json:
        return
    typer.echo("This will change on the board, and nothing else:")
    for line in changes(client.settings(tuple(values)), values):
        typer.echo(f"  {line}")
    typer.confirm("Write it?", abort=True)


def _require(**values: object) -> None:
    """With --json every value must be given. Raises TomatoError E-CALIBRATE-VALUE."""
    absent = [f"--{name.replace('_', '-')}" for name, value in values.items() if value is None]
    if absent:
        raise TomatoError(
            "E-CALIBRATE-VALUE",
            f"With --json nothing is prompted for: {', '.join(absent)} is missing.",
            "give all values, or leave --json out for the wizard",
        )


def _point(client: BoardClient, probe: int, name: str, raw: int | None, pct: float | None) -> tuple[int, float]:
    """One calibration point; the wizard prompts for what was not given."""
    if raw is None:
        typer.confirm(f"Put probe {probe} into the {name} substrate, as deep as it will stand. Ready?", abort=True)
        raw = client.raw_count(probe)
        typer.echo(f"The {name} point reads {raw} counts.")
    if pct is None:
        pct = float(typer.prompt(f"Water content of the {name} substrate in % of its volume", type=float))
    return raw, pct


def probe_number(text: str) -> int:
    """Number of a probe as people write it: 1 or P1. Raises typer.BadParameter."""
    number = str(text).strip().upper().removeprefix("P")
    if number not in ("1", "2"):
        raise typer.BadParameter(f"{text!r} is no probe; write 1 or P1, 2 or P2")
    return int(number)


@app.command()
def soil(
    probe: Annotated[int, typer.Option("--probe", parser=probe_number, metavar="1|2|P1|P2", help="Which probe.")],
    port: Port = "",
    dry_raw: Annotated[int | None, typer.Option(help="Raw count at the dry point; without it, it is read.")] = None,
    wet_raw: Annotated[int | None, typer.Option(help="Raw count at the wet point; without it, it is read.")] = None,
    dry_pct: Annotated[float | None, typer.Option(help="Water content at the dry point, % of the volume.")] = None,
    wet_pct: Annotated[float | None, typer.Option(help="Water content at the wet point, % of the volume.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Calibrate one probe at two points of your own substrate: dry, then wet. A host may be running."""
    from tomato_host.board.calibration import soil_values

    if as_json:
        _require(dry_raw=dry_raw, wet_raw=wet_raw, dry_pct=dry_pct, wet_pct=wet_pct)
    client = open_client(port, data_dir, REASON)
    try:
        dry_raw, dry_pct = _point(client, probe, "dry", dry_raw, dry_pct)
        wet_raw, wet_pct = _point(client, probe, "wet", wet_raw, wet_pct)
        values = soil_values(probe, dry_raw, wet_raw, dry_pct, wet_pct)
        _show_changes(client, values, as_json)
        client.configure(values)
    finally:
        client.close()
    _print_set(values, as_json)


@app.command()
def pump(
    port: Port = "",
    seconds: Annotated[float | None, typer.Option(help="How long the pump ran; without it, it runs now.")] = None,
    ml: Annotated[float | None, typer.Option(help="What was in the jug after that time.")] = None,
    dose_ml: Annotated[int, typer.Option(min=20, max=250, help="The dose the wizard asks the board for.")] = 200,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Calibrate the pump: run it into a measuring jug, then enter the reading. A host may be running."""
    from tomato_host.board.calibration import pump_values
    from tomato_host.terminal.progress import progress

    if as_json:
        _require(seconds=seconds, ml=ml)
    client = open_client(port, data_dir, REASON)
    try:
        if seconds is None:
            typer.confirm("Put the hose into a measuring jug. The pump will run for up to 30 s. Ready?", abort=True)
            with progress("the pump runs", as_json):
                seconds = client.dose(dose_ml)
            typer.echo(f"The pump ran for {seconds:.2f} s.")
        if ml is None:
            ml = float(typer.prompt("How many ml are in the jug", type=float))
        values = pump_values(seconds, ml)
        _show_changes(client, values, as_json)
        client.configure(values)
    finally:
        client.close()
    _print_set(values, as_json)
