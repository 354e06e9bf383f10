"""`tomato-host model`: versions of the forecast model: list, promote, roll back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tomato_host.models.store import ModelStore

app = typer.Typer(help="Versions of the forecast: list, promote, roll back.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", help="The data folder of the brain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Plain figures for scripts.")]
_DEFAULT = Path("data")


def _store(data: Path) -> ModelStore:
    from tomato_host.models.store import ModelStore

    return ModelStore(data / "models")


@app.command("list")
def list_versions(data: Data = _DEFAULT, json_out: AsJson = False) -> None:
    """Versions, oldest first, with the data they learned from; then what was changed and why."""
    import json
    from dataclasses import asdict

    store = _store(data)
    versions, active, changes = store.versions(), store.active(), store.changes()
    if json_out:
        facts = {"active": active, "versions": [asdict(m) for m in versions], "changes": changes}
        typer.echo(json.dumps(facts))
        return
    if not versions:
        typer.echo(f"No model version in {store.root} yet: the brain saves one every night.")
        return
    for m in versions:
        mark = "*" if m.version == active else " "
        typer.echo(
            f"{mark} {m.version:28} {m.days_learned:4d} days  {m.data_from_ts[:10]} .. {m.data_to_ts[:10]}  "
            f"{m.coefficients_hash}  {m.note}"
        )
    for change in changes[-10:]:
        typer.echo(f"  {change['ts'][:16]}  {change['what']:12} {change['version']}: {change['why']}")


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
