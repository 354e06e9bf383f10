"""`tomato-host llm`: status, check, bench, eval of the language model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tomato_host.advisor.settings import AdvisorSettings

app = typer.Typer(no_args_is_help=True, help="The language model: status, check, bench, eval.")

Config = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """Show what is configured and which files exist; starts nothing."""
    from tomato_host.advisor.checkup import status as look
    from tomato_host.terminal.word_table import echo

    found = look(_settings(config))
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"backend   {found['backend']}{' at ' + found['endpoint'] if found['endpoint'] else ''}")
    for file in found["files"]:
        size = f"{file['bytes'] / 1e9:.2f} GB" if file["bytes"] is not None else "not there"
        echo(f"{file['role']:<18} {file['path'] or 'not set'}: {size}")
    if found["memory_needed_gb"] is not None:
        typer.echo(f"memory    {found['memory_needed_gb']} GB needed, {_free(found)} free")
    extras = (f"{name} {'yes' if there else 'no'}" for name, there in found["extras"].items())
    typer.echo(f"extras    {', '.join(extras)}")
    typer.echo("cameras   " + (", ".join(found["cameras"]) or "none"))
    if found["advice"]:
        echo(f"Without a model everything else works. For one: {found['advice']}.")


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Start the model and ask one question of each kind."""
    from tomato_host.advisor import checkup

    settings = _settings(config)
    backend = checkup.require_model(settings)
    try:
        lines = checkup.check(backend, settings)
    finally:
        backend.close()
    typer.echo(json.dumps({"ok": True, "answers": lines}) if as_json else "\n".join([*lines, "The model is in order."]))


@app.command()
def bench(
    config: Config = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each question is asked.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure time to first token, tokens per second and a whole photo."""
    from dataclasses import asdict

    from tomato_host.advisor import checkup
    from tomato_host.terminal.progress import progress

    settings = _settings(config)
    backend = checkup.require_model(settings)
    try:
        with progress("measuring", as_json) as shown:
            timings = checkup.bench(backend, settings, rounds, shown.share)
    finally:
        backend.close()
    if as_json:
        typer.echo(json.dumps({"model": backend.name, "timings": [asdict(t) for t in timings]}))
        return
    for timing in timings:
        typer.echo(
            f"{timing.what:<8} first token {_figure(timing.first_token_s)} s, all {timing.total_s:.2f} s,"
            f" reading {_figure(timing.prompt_per_s)} tok/s, writing {_figure(timing.written_per_s)} tok/s"
        )


@app.command("eval")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Photos with labels.jsonl.", show_default=False)],
    config: Config = None,
    report: Annotated[Path | None, typer.Option(help="Write the Markdown report here.", show_default=False)] = None,
    cancel_trials: Annotated[int, typer.Option(min=0, max=1000, help="How often to time a cancellation.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Evaluate labelled photos, plain and with an order written across them, and report the accuracy."""
    from tomato_host.advisor import checkup
    from tomato_host.advisor.evaluation.cancel_trials import cancel_times_s, p95
    from tomato_host.advisor.evaluation.report import as_mapping, as_markdown
    from tomato_host.advisor.evaluation.run import evaluate as run
    from tomato_host.atomic_file import replace_file
    from tomato_host.terminal.progress import progress

    settings = _settings(config)
    backend = checkup.require_model(settings)
    try:
        with progress("photos", as_json) as shown:
            result = run(folder, backend, settings, shown.share)
    finally:
        backend.close()
    if cancel_trials:
        with progress("cancellations", as_json):
            result.cancel_p95_s = p95(cancel_times_s(settings, cancel_trials))
    if report is not None:
        replace_file(report, as_markdown(result).encode(), parents=True)
    typer.echo(json.dumps(as_mapping(result)) if as_json else as_markdown(result))


def _settings(config: Path | None) -> AdvisorSettings:
    from tomato_host.settings import load_settings

    return load_settings(config).advisor


def _free(found: dict[str, Any]) -> str:
    return f"{found['memory_free_gb']:.1f} GB" if found["memory_free_gb"] is not None else "an unknown amount"


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"
