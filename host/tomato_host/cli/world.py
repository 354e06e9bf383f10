"""`tomato-host world`: the agents of a tent, what they propose, and small worlds to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.override import DEFAULT_DATA_DIR, AsJson, DataDir, Reason, Wait
from tomato_host.cli.world_client import bench, watch, what_if
from tomato_host.errors import TomatoError, first_reason

if TYPE_CHECKING:
    from shared_schemas.records import AgentV1

app = typer.Typer(no_args_is_help=True, help="The shared world: agents, their proposals, demos.")
demo = typer.Typer(no_args_is_help=True, help="Small worlds that run by themselves.")
app.add_typer(demo, name="demo")
app.command()(watch)
app.command("what-if")(what_if)
app.command()(bench)

Name = Annotated[str, typer.Argument(help="The agent's name, as `world agents` lists it.")]


@app.command()
def agents(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Who may see and ask for what: the agents of each origin, and those that were added."""
    from tomato_host.terminal.word_table import echo

    rows = [_known(data_dir)[name] for name in sorted(_known(data_dir))]
    if as_json:
        typer.echo(json.dumps([json.loads(row.to_json()) for row in rows]))
        return
    for row in rows:
        quotas = ", ".join(f"{key} {value:g}" for key, value in row.quotas.model_dump(exclude_none=True).items())
        shadow = " in shadow" if row.shadow else ""
        echo(f"{row.name:<12} {row.origin:<10} sees {row.policy:<8} {row.state}{shadow} {quotas or 'no quotas'}")


@app.command()
def add(
    name: Name,
    origin: Annotated[str, typer.Option(help="person, api, mqtt, llm or policy: its rank in the guardrails.")] = "api",
    policy: Annotated[str, typer.Option(help="What it sees: full, tent, sitter or summary.")] = "tent",
    tent: Annotated[
        str, typer.Option(help="Its own tent; an agent of another one sees the summary at most, and moves nothing.")
    ] = "main",
    may: Annotated[
        list[str] | None, typer.Option(help="An action it may ask for; repeatable. None named: all.")
    ] = None,
    water_ml_per_day: Annotated[float | None, typer.Option(min=0.0)] = None,
    on_s_per_day: Annotated[float | None, typer.Option(min=0.0)] = None,
    intents_per_hour: Annotated[int | None, typer.Option(min=0)] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Its proposals are judged and recorded, and move nothing.")
    ] = False,
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
) -> None:
    """Add an agent, or replace its record."""
    quotas = {
        "intents_per_hour": intents_per_hour,
        "water_ml_per_day": water_ml_per_day,
        "on_s_per_day": on_s_per_day,
    }
    _set(
        data_dir,
        timeout_s,
        {
            "name": name,
            "tent": tent,
            "origin": origin,
            "policy": policy,
            "may": may or None,
            "quotas": quotas,
            "shadow": shadow,
        },
        reason,
    )


@app.command()
def revoke(name: Name, reason: Reason = "", data_dir: DataDir = DEFAULT_DATA_DIR, timeout_s: Wait = 15.0) -> None:
    """End an agent's rights; it may only switch off what is its own."""
    _change(name, data_dir, timeout_s, reason, state="revoked")


@app.command()
def quarantine(name: Name, reason: Reason = "", data_dir: DataDir = DEFAULT_DATA_DIR, timeout_s: Wait = 15.0) -> None:
    """Stop an agent until it is released."""
    _change(name, data_dir, timeout_s, reason, state="quarantined")


@app.command()
def release(name: Name, reason: Reason = "", data_dir: DataDir = DEFAULT_DATA_DIR, timeout_s: Wait = 15.0) -> None:
    """End a quarantine, or a shadow: from now on the agent's proposals count."""
    _change(name, data_dir, timeout_s, reason, state="active", shadow=False)


@app.command()
def propose(
    name: Name,
    action: Annotated[str, typer.Argument(help="The action's type, like WATER or SET_LIGHT.")],
    ml: Annotated[float | None, typer.Option(help="For water.")] = None,
    seconds: Annotated[float | None, typer.Option(help="For everything that is switched; with it: ON.")] = None,
    off: Annotated[bool, typer.Option("--off")] = False,
    intent_id: Annotated[str, typer.Option("--id", help="The same id again has the same answer.")] = "",
    reason: Reason = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout_s: Wait = 15.0,
    as_json: AsJson = False,
) -> None:
    """Propose an action as one of the agents; admission and guardrails answer."""
    from shared_schemas.records import ActionV1
    from tomato_host.cli.override import send
    from tomato_host.commands.inbox import new_request

    now = datetime.now(UTC)
    params: dict[str, Any] = {"ml": ml} if ml is not None else {"state": "OFF" if off else "ON", "seconds": seconds}
    try:
        proposal = ActionV1.model_validate(
            {
                "schema_version": "action_v1",
                "ts": now,
                "type": action,
                "origin": _find(name, data_dir).origin,
                "agent": name,
                "id": intent_id or f"{name}-{now:%Y%m%dT%H%M%S%f}",
                "params": params,
                "why": {"text": reason[:200]},
            }
        )
    except ValueError as error:
        raise _invalid(error) from None
    send(data_dir, new_request("action", reason, action=proposal), timeout_s, as_json)


@demo.command()
def talk(
    as_json: AsJson = False,
    model: Annotated[
        Path | None, typer.Option(help="A GGUF file: real texts of a language model (extra [llm]); else scripted ones.")
    ] = None,
) -> None:
    """A conversation in which an interruption stops a speaker within 100 ms, who begins again on what was heard."""
    from tomato_host.world.demos.talk import run_talk

    def show(text: str) -> None:
        if not as_json:
            typer.echo(text, nl=False)

    result = run_talk(show=show) if model is None else _talk_of_model(model, show)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        typer.echo("")
    if not result["ok"]:
        raise typer.Exit(1)


def _talk_of_model(path: Path, show: Callable[[str], None]) -> dict[str, Any]:
    """The demo with a real model, which is loaded before it begins. Raises TomatoError E-LLM-*."""
    from tomato_host.advisor.backends.chat import BackendFault
    from tomato_host.advisor.backends.local import LocalModel
    from tomato_host.advisor.checkup import require_model
    from tomato_host.advisor.settings import AdvisorSettings
    from tomato_host.advisor.token_model import BackendTokenModel
    from tomato_host.world.demos.talk import run_talk

    settings = AdvisorSettings(backend="local", model_path=path)
    require_model(settings)
    backend = LocalModel(settings)
    speaker = BackendTokenModel(backend, "You grow tomatoes. You talk with others who do.")
    try:
        backend.load()
        return run_talk(speaker, show=show)
    except BackendFault as fault:
        raise TomatoError("E-LLM-ANSWER", f"The model cannot be run: {fault}.", "tomato-host llm check") from None
    finally:
        speaker.close()
        backend.close()


@demo.command()
def garden(as_json: AsJson = False, seed: Annotated[int, typer.Option(min=0)] = 1) -> None:
    """Agents on a bench of pots, who see what is near and want the same can."""
    from tomato_host.world.demos.garden import run_garden

    _show(run_garden(seed), as_json)


@demo.command()
def engine(
    as_json: AsJson = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve an arena for engines until Ctrl-C instead.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="For --serve; 0: any free one.")] = 8_423,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """A game engine's physics in a shared world: ticks, moves, a push, and the collision that it leads to."""
    if serve:
        _serve_arena(data_dir, port)
        return
    from tomato_host.world.demos.engine import run_engine

    _show(run_engine(), as_json)


def _serve_arena(data_dir: Path, port: int) -> None:
    """An arena with the agents engine and player; their tokens are those of the data directory."""
    import time

    from tomato_host.service.orchestrator_host import OrchestratorHost
    from tomato_host.service.serve_world import serve as serve_worlds
    from tomato_host.service.settings import ServiceSettings
    from tomato_host.world.demos.engine import arena_agents
    from tomato_host.world.event_log import ChainedLog
    from tomato_host.world.orchestrator import Orchestrator
    from tomato_host.world.worlds.arena import PLAYER, ArenaWorld

    began_s = time.monotonic()  # the engine's time begins at 0, too, and the world's never goes back
    host = OrchestratorHost(
        Orchestrator("arena", ArenaWorld(), ChainedLog("arena"), lambda: time.monotonic() - began_s),
        {PLAYER.name: PLAYER},
    )
    for record in arena_agents("arena"):
        host.add_agent(record)
    serve_worlds([host], ServiceSettings(port=port, agent_per_minute=60_000), data_dir)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
    else:
        for moment in result["moments"]:
            typer.echo("  ".join(f"{key}={value}" for key, value in moment.items()))
    if not result["ok"]:
        raise typer.Exit(1)


def _known(data_dir: Path) -> dict[str, AgentV1]:
    """The agents that hold: those of the origins, then what the dataset has."""
    from tomato_host.brain.admission.tent_admission import default_agents
    from tomato_host.recovery.recorded_agents import read_agents

    return {row.name: row for row in (*default_agents("main"), *read_agents(data_dir))}


def _find(name: str, data_dir: Path) -> AgentV1:
    known = _known(data_dir)
    if name not in known:
        raise TomatoError("E-WORLD-AGENT", f"No agent is called {name!r}.", f"known are {', '.join(sorted(known))}")
    return known[name]


def _change(name: str, data_dir: Path, timeout_s: float, reason: str, **fields: Any) -> None:
    _set(data_dir, timeout_s, {**_find(name, data_dir).model_dump(mode="json"), **fields}, reason)


def _set(data_dir: Path, timeout_s: float, fields: dict[str, Any], reason: str) -> None:
    """Send an agent's new record to the running host."""
    from shared_schemas.records import AgentV1
    from shared_schemas.records.action_v1 import ActionType
    from tomato_host.cli.override import send
    from tomato_host.commands.inbox import new_request

    now = datetime.now(UTC).isoformat()
    kinds = [kind.value for kind in ActionType]
    if unknown := [kind for kind in fields.get("may") or () if kind not in kinds]:
        raise TomatoError("E-WORLD-RECORD", f"There is no action {unknown[0]!r}.", f"choose of {', '.join(kinds)}")
    try:
        record = AgentV1.model_validate({**fields, "schema_version": "agent_v1", "ts": now, "reason": reason[:200]})
    except ValueError as error:
        raise _invalid(error) from None
    send(data_dir, new_request("agent", reason, agent=record), timeout_s, as_json=False)


def _invalid(error: ValueError) -> TomatoError:
    return TomatoError(
        "E-WORLD-RECORD", f"That is no valid record: {first_reason(error)}.", "docs/data_dictionary.md lists the fields"
    )
