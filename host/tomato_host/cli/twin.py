"""`tomato-host twin`: the simulated tent and its virtual board as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PRESS_READ_S = 5.0
NO_BOARD = "start `tomato-host run --board sim`, and give its --data-dir"
app = typer.Typer(help="The simulated tent and its virtual board.", no_args_is_help=True)


@app.command()
def serve(
    link: Annotated[Path | None, typer.Option(help="Symlink to make that points to the port.")] = None,
    seed: Annotated[int, typer.Option(help="Varies sensors and weather.")] = 0,
    time_scale: Annotated[float, typer.Option(help="World seconds per wall second.")] = 1.0,
    scenario: Annotated[str, typer.Option(help="Faults: name[@hours[+length]],... or a .toml file.")] = "",
    state: Annotated[Path | None, typer.Option(help="File to keep the truth of the tent in (JSON).")] = None,
    flash: Annotated[Path | None, typer.Option(help="Directory that keeps what the board stores.")] = None,
    weather: Annotated[Path | None, typer.Option(help="Hourly weather as CSV.")] = None,
    vary: Annotated[bool, typer.Option(help="Vary the tent itself by the seed.")] = False,
) -> None:
    """Run a virtual board until SIGTERM or Ctrl-C; a host opens the printed port. SIGUSR1 resets the board."""
    from tomato_host.twin.serve import main

    arguments = ["--seed", str(seed), "--time-scale", str(time_scale), "--scenario", scenario]
    for flag, value in (("--link", link), ("--state", state), ("--flash", flash), ("--weather", weather)):
        if value is not None:
            arguments += [flag, str(value)]
    raise typer.Exit(main([*arguments, "--vary"] if vary else arguments))


@app.command()
def press(
    name: Annotated[str, typer.Argument(metavar="INPUT", help="button, or estop (the emergency stop)")],
    duration: Annotated[str, typer.Option("--for", help="How long, like 3s or 1m.")] = "3s",
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Data directory of the host on it.")] = Path("data"),
) -> None:
    """Press a button of the running virtual board, and wait until it is let go."""
    import time

    from tomato_host.cli.override import parse_duration
    from tomato_host.errors import TomatoError
    from tomato_host.twin import presses

    board_dir = data_dir / presses.FOLDER
    if name not in presses.INPUTS:
        known = " and ".join(presses.INPUTS)
        raise TomatoError("E-TWIN-PRESS", f"{name!r} cannot be pressed.", f"the virtual board has {known}")
    seconds = min(parse_duration(duration), presses.MOST_S)
    if not data_dir.is_dir():
        raise TomatoError("E-TWIN-PRESS", f"{data_dir} does not exist.", NO_BOARD)
    presses.ask(board_dir, "button" if name == "button" else "estop", seconds)
    end = time.monotonic() + PRESS_READ_S
    while presses.waiting(board_dir):
        if time.monotonic() > end:
            presses.pop(board_dir)
            raise TomatoError("E-TWIN-PRESS", "No virtual board has read it.", NO_BOARD)
        time.sleep(0.05)
    typer.echo(f"{name} pressed for {seconds:g} s")
    time.sleep(seconds)


@app.command()
def scenarios() -> None:
    """List the faults by name, with their hours when none are given."""
    from tomato_host.sources.scenarios import FAULTS
    from tomato_host.terminal.word_table import echo

    for fault in FAULTS.values():
        echo(f"{fault.name:16} {fault.kind:10} from hour {fault.at_h:g} for {fault.for_h:g} h: {fault.meaning}")
