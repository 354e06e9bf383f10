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
    """Save the data directory, running or not; the file appears whole and read back, or not at all."""
    from tomato_host.service.operations.backup import backup as save

    told = save(data_dir, file)
    typer.echo(
        json.dumps(told)
        if as_json
        else f"{told['file']}: {told['files']} files, {told['bytes']:,} bytes, sha256 {told['sha256']}"
    )


def restore(
    file: Path = typer.Argument(help="A file that `tomato-host backup` wrote."),
    data_dir: Path = typer.Option(..., "--data-dir", help="Where to; empty or not there yet."),
    as_json: bool = AsJson,
) -> None:
    """Bring a saved data directory back into an empty place, every file compared with its checksum."""
    from tomato_host.service.operations.backup import restore as bring_back

    manifest = bring_back(file, data_dir)
    count = len(manifest["files"])
    typer.echo(
        json.dumps({"data_dir": str(data_dir), "files": count})
        if as_json
        else f"{data_dir}: {count} files, all as saved. Next: tomato-host dataset verify {data_dir}"
    )
