"""`tomato-host mcp`: the tent as tools of a language model, by MCP over stdio or HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tomato_host.errors import TomatoError

TOKEN_VARIABLE = "TOMATO_TOKEN"


def mcp(
    agent: Annotated[str, typer.Option(help="The agent that the model is; its quotas are its budget.")] = "advisor",
    tent: Annotated[str, typer.Option(help="Name of the tent.")] = "main",
    url: Annotated[str, typer.Option(help="Where the host's dashboard is.")] = "http://127.0.0.1:8421",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the agent's token; without it the variable TOMATO_TOKEN.")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP on this machine instead of stdio.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="For --http.")] = 8_422,
) -> None:
    """Serve look, forecast, explain, what_if and propose to an MCP client."""
    from tomato_host.service.mcp import build_server, http_app
    from tomato_host.world.client import WorldClient

    token = read_token(token_file)
    with WorldClient(url, tent, agent, token) as client:
        if not http:
            build_server(client).run("stdio")
            return
        import uvicorn

        uvicorn.run(http_app(client, token), host="127.0.0.1", port=port, log_level="warning", access_log=False)


def read_token(token_file: Path | None) -> str:
    """The token of a file or of the environment, never of the command line. Raises TomatoError E-WORLD-TOKEN."""
    try:
        found = token_file.read_text(encoding="utf-8").strip() if token_file else os.environ.get(TOKEN_VARIABLE, "")
    except OSError as error:
        raise TomatoError(
            "E-WORLD-TOKEN", f"{token_file} cannot be read: {error.strerror}.", "check the path"
        ) from None
    if not found:
        raise TomatoError(
            "E-WORLD-TOKEN", "No token was given.", f"set {TOKEN_VARIABLE}, or --token-file; `tomato-host token create`"
        )
    return found
