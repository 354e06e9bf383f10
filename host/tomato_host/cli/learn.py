"""`tomato-host learn`: the learning loop: run it, look at it, take it back. Trees need no torch; networks do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tomato_host.cli import learn_catalogue, learn_operations, learn_policy, learn_reports
from tomato_host.cli.learn_options import AsJson, Config, Data, show

if TYPE_CHECKING:
    from tomato_host.learn.nightly import LearningLoop, NightResult
    from tomato_host.learn.state_file import LearnState

app = typer.Typer(help="The learning loop: run it, look at it, take it back.", no_args_is_help=True)
for _part in (learn_catalogue, learn_reports, learn_policy, learn_operations):
    _part.register(app)

_DEFAULT = Path("data")


def _state(data: Path) -> LearnState:
    from tomato_host.learn.state_file import LearnState, read_state

    return read_state(data) or LearnState()


@app.command()
def status(data: Data = _DEFAULT, as_json: AsJson = False) -> None:
    """Epoch, mode, policy and figures of the last epoch boundary."""
    state = _state(data)
    facts = {name: value for name, value in state.as_json().items() if name not in ("format", "slots")}
    mode = "conservative" if state.conservative else "normal"
    policy = f"policy {state.policy_version}" if state.policy_version else "the heuristic decides"
    lines = [f"Epoch {state.epoch}, {mode} mode, {policy}, {len(state.slots)} slots."]
    lines += [f"  {name:24} {value:.4g}" for name, value in state.figures.items()]
    show(facts, lines if state.epoch else [f"The learning loop has not run in {data} yet."], as_json)


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
    show({"epoch": state.epoch, "slots": state.as_json()["slots"]}, lines or ["No growth slot yet."], as_json)


@app.command()
def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """What the loop needs: keys, packages, Redis, Prometheus, Elasticsearch. Exit code 1 when something is missing."""
    from tomato_host.learn.reachable import check_reachable
    from tomato_host.learn.requirements import check_requirements
    from tomato_host.settings import load_settings

    found = [*check_requirements(), *check_reachable(load_settings(config).learn)]
    lines = [f"{'ok ' if one.present else '-- '} {one.name:13} {one.text}" for one in found]
    show({"checks": [one._asdict() for one in found]}, lines, as_json)
    if any(one.needed and not one.present for one in found):
        raise typer.Exit(1)


def _loop(data: Path, config: Path | None) -> LearningLoop:
    from tomato_host.learn.keys import SigningKeys
    from tomato_host.learn.nightly import LearningLoop
    from tomato_host.settings import load_settings

    settings = load_settings(config)
    return LearningLoop(data, settings.learn, SigningKeys.from_environment(), time_zone=settings.site.timezone)


def _night_lines(found: NightResult) -> list[str]:
    lines = [f"Epoch {found.epoch}: trained in {found.train_s:.1f} s, boundary {found.boundary_ms:.1f} ms."]
    for one in found.steps:
        why = f" ({', '.join(one.verdict.failed)})" if one.verdict and one.verdict.failed else ""
        lines.append(f"  {one.after.name}: {one.before.stage.name} -> {one.after.stage.name}{why}")
    return [*lines, f"  computed by the brain: {', '.join(found.published) or 'nothing'}"]


@app.command()
def once(data: Data = _DEFAULT, config: Config = None, as_json: AsJson = False) -> None:
    """Learn one night now, from the dataset in the data folder."""
    from tomato_host.terminal.progress import progress

    with progress("learning a night", as_json):
        found = _loop(data, config).night()
    facts = {
        "epoch": found.epoch,
        "boundary_ms": found.boundary_ms,
        "train_s": found.train_s,
        "published": found.published,
        "steps": [{"slot": s.after.name, "from": s.before.stage.name, "to": s.after.stage.name} for s in found.steps],
    }
    show(facts, _night_lines(found), as_json)


@app.command()
def run(data: Data = _DEFAULT, config: Config = None, as_json: AsJson = False) -> None:
    """Learn every night at 00:20 local time, with low priority, until it is stopped. May be killed at any instant."""
    from tomato_host.learn.every_night import run_every_night
    from tomato_host.settings import load_settings

    def echo(text: str) -> None:
        show({"text": text}, [text], as_json)

    loop = _loop(data, config)
    loop.compile_missing()
    run_every_night(loop, load_settings(config).site.timezone, echo)


@app.command()
def rollback(
    data: Data = _DEFAULT,
    config: Config = None,
    to_epoch: Annotated[int | None, typer.Option(help="Go back to this epoch; default: the one before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Go back to a checkpoint, weights and optimizer included, and give the brain the blocks of then."""
    from tomato_host.terminal.progress import progress

    loop = _loop(data, config)
    with loop.exclusive():
        before = loop.trainer.epoch
        with progress("going back", as_json):
            seconds = loop.trainer.full_rollback(max(before - 1, 0) if to_epoch is None else to_epoch)
        loop.commit()
    facts = {"from_epoch": before, "epoch": loop.trainer.epoch, "seconds": seconds}
    show(facts, [f"Epoch {before} -> {loop.trainer.epoch} in {seconds:.2f} s."], as_json)


@app.command()
def conservative(
    state: Annotated[str, typer.Argument(help="on or off")],
    data: Data = _DEFAULT,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Switch conservative mode: while it is on, no new slot germinates."""
    if state not in ("on", "off"):
        raise typer.BadParameter("on or off")
    loop = _loop(data, config)
    with loop.exclusive():
        loop.trainer.conservative = state == "on"
        loop.commit()
    show({"conservative": loop.trainer.conservative}, [f"Conservative mode is {state}."], as_json)
