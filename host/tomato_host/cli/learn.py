"""`tomato-host learn`: the learning loop: what it is at, its slots, what it lacks. These commands need no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tomato_host.learn.state_file import LearnState

app = typer.Typer(help="The learning loop: state, slots, checks.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", help="The data folder of the brain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Plain figures for scripts.")]
_DEFAULT = Path("data")


def _state(data: Path) -> LearnState:
    from tomato_host.learn.state_file import LearnState, read_state

    return read_state(data) or LearnState()


def _show(facts: dict[str, Any], lines: list[str], as_json: bool) -> None:
    import json

    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


@app.command()
def status(data: Data = _DEFAULT, as_json: AsJson = False) -> None:
    """Epoch, mode, policy and figures of the last epoch boundary."""
    state = _state(data)
    facts = {name: value for name, value in state.as_json().items() if name not in ("format", "slots")}
    mode = "conservative" if state.conservative else "normal"
    policy = f"policy {state.policy_version}" if state.policy_version else "the heuristic decides"
    lines = [f"Epoch {state.epoch}, {mode} mode, {policy}, {len(state.slots)} slots."]
    lines += [f"  {name:24} {value:.4g}" for name, value in state.figures.items()]
    _show(facts, lines if state.epoch else [f"The learning loop has not run in {data} yet."], as_json)


@app.command()
def slots(data: Data = _DEFAULT, as_json: AsJson = False) -> None:
    """Every growth slot: its stage, since when, its blueprint, and the gate that stands before the next stage."""
    from shared_schemas.learn.lifecycle import ROW_OF

    state = _state(data)
    lines = []
    for slot in state.slots:
        gate = ROW_OF[slot.stage].gate
        blueprint = f"BP{slot.blueprint:03d}" if slot.blueprint else "-"
        before = f"{gate.name} {gate.value}" if gate else "no gate"
        lines.append(f"{slot.name:18} {slot.stage.name:13} since epoch {slot.entered:4d}  {blueprint:6} next: {before}")
    _show({"epoch": state.epoch, "slots": state.as_json()["slots"]}, lines or ["No growth slot yet."], as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What the loop needs on this machine: messages, torch, keys. Exit code 1 when something needed is missing."""
    from tomato_host.learn.requirements import check_requirements

    found = check_requirements()
    lines = [f"{'ok ' if one.present else '-- '} {one.name:10} {one.text}" for one in found]
    _show({"checks": [one._asdict() for one in found]}, lines, as_json)
    if any(one.needed and not one.present for one in found):
        raise typer.Exit(1)
