"""`tomato-host token`: access tokens for remote reading and for changes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True)

DataDir = typer.Option(Path("data"), "--data-dir", help="The data directory of the host.")


@app.command()
def create(
    name: str = typer.Argument(help="Owner; recorded with every change."),
    role: str = typer.Option("operate", "--role", help="view, operate or admin."),
    agent: str = typer.Option("", "--agent", help="The agent of the shared world that its holder is; none: `api`."),
    tent: list[str] = typer.Option([], "--tent", help="A tent it is for; repeatable. None named: all of this host."),
    days: float = typer.Option(0.0, "--days", min=0.0, max=3_650.0, help="How long it is valid; 0: without end."),
    data_dir: Path = DataDir,
    as_json: bool = typer.Option(False, "--json", help="For scripts."),
) -> None:
    """Create a token and show it once; only its hash is stored."""
    from tomato_host.service.tokens import TokenFile

    lifetime = timedelta(days=days) if days else None
    secret = TokenFile(data_dir).create(name, role, agent, tuple(tent), lifetime)
    if as_json:
        typer.echo(json.dumps({"name": name, "role": role, "token": secret}))
    else:
        typer.echo(f"{secret}\nThis is the only time it is shown. Role {role}, for {name}.")


@app.command("list")
def list_tokens(
    data_dir: Path = DataDir,
    as_json: bool = typer.Option(False, "--json", help="For scripts."),
) -> None:
    """Show names, roles and ages."""
    from tomato_host.service.tokens import TokenFile

    tokens = TokenFile(data_dir).all()
    if as_json:
        shown = ("name", "role", "created", "agent", "tents", "expires")
        typer.echo(json.dumps([{key: getattr(token, key) for key in shown} for token in tokens]))
        return
    for token in tokens:
        until = f", until {token.expires}" if token.expires else ""
        typer.echo(f"{token.name:24} {token.role:8} agent {token.agent or 'api'}, since {token.created}{until}")
    if not tokens:
        typer.echo("No tokens: reading works on this machine only, changing nowhere.")


@app.command()
def revoke(name: str = typer.Argument(help="Which one."), data_dir: Path = DataDir) -> None:
    """Revoke a token, effective at once."""
    from tomato_host.service.tokens import TokenFile

    TokenFile(data_dir).revoke(name)
    typer.echo(f"{name} is revoked.")
