"""`tomato-host backup` and `restore`: the whole season in one verified file."""

from __future__ import annotations

import json
from pathlib import Path

import typer

AsJson = typer.Option(False, "--json", help="For scripts.")


def backup(
    file: Path = typer.Argument(help="Where to write it, e.g. /mnt/usb/tomato-2026-06-01.tar.gz."),
    data_dir: Path = typer.Option(Path("data"), "--data-dir", help="The host's data directory; it may be running."),
    as_json: bool = AsJson,
) -> None:
    """Save the data directory, running or not; the file is verified before it gets its name."""
    from tomato_host.service.operations.backup import backup as save
    from tomato_host.terminal.progress import progress

    with progress("saving", as_json):
        facts = save(data_dir, file)
    typer.echo(
        json.dumps(facts)
        if as_json
        else f"{facts['file']}: {facts['files']} files, {facts['bytes']:,} bytes, sha256 {facts['sha256']}"
    )


def restore(
    file: Path = typer.Argument(help="A file that `tomato-host backup` wrote."),
    data_dir: Path = typer.Option(..., "--data-dir", help="Target directory; empty or missing."),
    as_json: bool = AsJson,
) -> None:
    """Restore a saved data directory into an empty one; every file is compared with its checksum."""
    from tomato_host.service.operations.backup import restore as bring_back
    from tomato_host.terminal.progress import progress

    with progress("restoring", as_json):
        manifest = bring_back(file, data_dir)
    count = len(manifest["files"])
    typer.echo(
        json.dumps({"data_dir": str(data_dir), "files": count})
        if as_json
        else f"{data_dir}: {count} files, all as saved. Next: tomato-host dataset verify {data_dir}"
    )
