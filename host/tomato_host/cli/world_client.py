"""`tomato-host world watch | what-if | bench`: one agent's view of a running host, and what it would be answered."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.mcp import read_token

if TYPE_CHECKING:
    from tomato_host.world.client import WorldClient

Name = Annotated[str, typer.Argument(help="The agent, as `world agents` lists it.")]
Url = Annotated[str, typer.Option("--url", help="Where the host's dashboard is.")]
Tent = Annotated[str, typer.Option("--tent", help="Name of the tent.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="A file with the agent's token; without it TOMATO_TOKEN.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
LOCAL = "http://127.0.0.1:8421"


def watch(
    name: Name,
    url: Url = LOCAL,
    tent: Tent = "main",
    token_file: TokenFile = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long; 0: until Ctrl-C.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Show what an agent sees, as it changes."""
    with _client(url, tent, name, token_file) as client, client.stream() as stream:
        end_s = time.monotonic() + seconds if seconds else None
        while end_s is None or time.monotonic() < end_s:
            try:
                message = stream.receive(None if end_s is None else max(0.01, end_s - time.monotonic()))
            except TimeoutError:
                return
            typer.echo(json.dumps(message) if as_json else "\n".join(_lines(message)))


def what_if(
    name: Name,
    action: Annotated[str, typer.Argument(help="The action's type, like WATER or SET_LIGHT.")],
    ml: Annotated[float | None, typer.Option(help="For water.")] = None,
    seconds: Annotated[float | None, typer.Option(help="For everything that is switched; with it: ON.")] = None,
    off: Annotated[bool, typer.Option("--off")] = False,
    forecast: Annotated[bool, typer.Option("--forecast", help="The next 36 hours with it and without it.")] = False,
    url: Url = LOCAL,
    tent: Tent = "main",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """The verdict that a proposal would get now, and what is expected without it; nothing happens."""
    payload: dict[str, Any] = (
        {"ml": ml}
        if ml is not None
        else {"state": "OFF" if off else "ON", **({} if off or seconds is None else {"seconds": seconds})}
    )
    with _client(url, tent, name, token_file) as client:
        found = client.what_if(action, payload, forecast)
        expected = None if forecast else client.view()["snapshot"].get("forecast")
    if as_json:
        typer.echo(json.dumps(found if forecast else {**found, "forecast": expected}))
        return
    verdict = found["verdict"]
    typer.echo(" ".join(str(verdict[key]) for key in ("status", "code", "text") if verdict[key]))
    if not forecast:
        typer.echo(f"Without it: {expected['explanation']}" if expected else "There is no forecast yet.")
    elif found["forecast"] is None:
        typer.echo("There is no forecast yet, or nothing would happen.")
    else:
        typer.echo("\n".join(_forecast_lines(found["forecast"])))


def bench(
    agents: Annotated[int, typer.Option(min=1, max=100)] = 10,
    intents: Annotated[int, typer.Option(min=10, max=100_000)] = 2_000,
    as_json: AsJson = False,
) -> None:
    """Committed intents a second of a small world in memory, views included; no host is needed."""
    from tomato_host.world.demos.speed import measure

    found = measure(agents, intents)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo(f"{found['per_s']:.0f} intents/s of {agents} agents, {found['cpu_us']:.0f} us CPU each")


def _forecast_lines(forecast: dict[str, Any]) -> list[str]:
    """Both explanations, and what the action changes at some hours ahead."""
    lines = [f"{name.capitalize()} it: {forecast[name]['explanation']}" for name in ("without", "with")]
    for hour in ("01", "03", "06", "12", "24", "36"):
        moved = forecast["difference"].get(hour, {})
        shown = ", ".join(f"{name} {value:+g}" for name, value in moved.items()) or "no difference"
        lines.append(f"+{int(hour):2d} h  {shown}")
    return lines


def _client(url: str, tent: str, name: str, token_file: Path | None) -> WorldClient:
    from tomato_host.world.client import WorldClient

    return WorldClient(url, tent, name, read_token(token_file))


def _lines(message: dict[str, Any]) -> list[str]:
    """One message for people: a line for each change."""
    ((kind, body),) = message.items()
    if kind == "observation" and body["patch"] is not None:
        return [f"{body['view_seq']}  {one['path']}  {json.dumps(one.get('value'))}" for one in body["patch"]]
    if kind == "observation":
        return [f"{body['view_seq']}  {name}  {json.dumps(value)}" for name, value in body["snapshot"].items()]
    return [f"{kind}  {json.dumps(body)}"]
