"""`tomato-host model`: versions of the forecast model: list, promote, roll back, teach from a season."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tomato_host.models.store import ModelStore

app = typer.Typer(help="Versions of the forecast: list, promote, roll back, teach.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", help="The data folder of the brain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Plain figures for scripts.")]
_DEFAULT = Path("data")


def _store(data: Path) -> ModelStore:
    from tomato_host.models.store import ModelStore

    return ModelStore(data / "models")


def _blocks(data: Path) -> list[dict[str, Any]]:
    """Every grown block: its row of the index, whether it is intact, what the brain has judged of it."""
    from dataclasses import asdict

    from tomato_host.models.blocks import BlockStore

    store = BlockStore(data / "models" / "blocks")
    skills = store.read_skill()
    try:
        intact = {offer.entry.file: "served" if offer.block is not None else offer.refused for offer in store.offers()}
        entries = store.entries()
    except ValueError as error:
        typer.echo(f"The index of grown blocks is damaged: {error}.", err=True)
        return []
    return [
        asdict(entry) | {"state": intact.get(entry.file, "inactive")} | skills.get(entry.quantity, {})
        for entry in entries
    ]


@app.command("list")
def list_versions(data: Data = _DEFAULT, json_out: AsJson = False) -> None:
    """Versions, oldest first, with the data they learned from; then what was changed and why."""
    import json
    from dataclasses import asdict

    from tomato_host.terminal.word_table import echo

    store, blocks = _store(data), _blocks(data)
    versions, active, changes = store.versions(), store.active(), store.changes()
    if json_out:
        facts = {"active": active, "versions": [asdict(m) for m in versions], "changes": changes, "blocks": blocks}
        typer.echo(json.dumps(facts))
        return
    if not versions:
        typer.echo(f"No model version in {store.root} yet: the brain saves one every night.")
    for m in versions:
        mark = "*" if m.version == active else " "
        echo(
            f"{mark} {m.version:28} {m.days_learned:4d} days  {m.data_from_ts[:10]} .. {m.data_to_ts[:10]}  "
            f"{m.coefficients_hash}  {m.note}"
        )
    for change in changes[-10:]:
        echo(f"  {change['ts'][:16]}  {change['what']:12} {change['version']}: {change['why']}")
    for block in blocks:
        judged = (
            f"share {block['share']:g}, error {block['ratio']:.1%} of without" if "ratio" in block else "not judged"
        )
        echo(f"  block {block['quantity']:14} {block['kind']:8} {block['stage']:13} {block['state']:8} {judged}")


@app.command()
def promote(version: str, data: Data = _DEFAULT, why: str = "promoted by hand") -> None:
    """Verify a version and use it from the next start on."""
    from datetime import UTC, datetime

    _store(data).activate(version, datetime.now(UTC), why)
    typer.echo(f"{version} speaks.")


@app.command()
def rollback(data: Data = _DEFAULT, why: str = "rolled back by hand") -> None:
    """Use the version before the active one again."""
    from datetime import UTC, datetime

    typer.echo(f"{_store(data).rollback(datetime.now(UTC), why)} speaks again.")


@app.command()
def teach(
    season: Annotated[str, typer.Argument(help="What `tomato-host import` or another tent's brain wrote.")],
    data: Data = _DEFAULT,
    config: Annotated[Path | None, typer.Option(help="Settings file of this tent.")] = None,
) -> None:
    """Learn a recorded season and use it from the next start on, until this tent's own days outweigh it."""
    from datetime import UTC, datetime

    from tomato_host.app import brain_settings
    from tomato_host.backtest.tables import load_cases
    from tomato_host.models.teaching import taught_model
    from tomato_host.settings import load_settings
    from tomato_host.terminal.progress import progress

    settings = load_settings(config)
    with progress(f"learning {season}") as shown:
        case = load_cases(season, time_zone=settings.site.timezone)[0]
        probes = tuple(probe.id for probe in brain_settings(settings).estimator.probes)
        model = taught_model(case.log, probes, settings.world_model, shown.share)
    store, now = _store(data), datetime.now(UTC)
    version = store.save(model, case.log, now, note=f"taught from {case.name}")
    store.activate(version, now, f"taught from {case.name}")
    typer.echo(f"{version} has learned {model.days_learned} days of {case.name} and is used from the next start on.")
