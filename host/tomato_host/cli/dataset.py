"""`tomato-host dataset`: verify, export, query, parquet, info."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="A dataset: verify, publish, query, convert.")

Root = Annotated[Path, typer.Argument(help="The dataset: what --data-dir or --output-dir wrote.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command()
def verify(
    root: Root,
    as_json: AsJson = False,
    contract: Annotated[bool, typer.Option(help="Also read every record by its schema.")] = True,
) -> None:
    """Check every line, hash and count; names the first bad line and ends with 2 when one is found."""
    from tomato_host.storage.verify import verify as check

    result = check(root, contract=contract)
    if as_json:
        problems = [{"file": p.file, "line": p.line, "what": p.what} for p in result.problems]
        heads = {stream: {"n": h.n, "seq": h.seq, "hash": h.hash} for stream, h in result.streams.items()}
        typer.echo(
            json.dumps(
                {
                    "ok": result.ok,
                    "records": result.records,
                    "files": result.files,
                    "problems": problems,
                    "torn": result.torn_files,
                    "let_go": result.let_go,
                    "heads": heads,
                }
            )
        )
    else:
        for problem in result.problems:
            typer.echo(f"BAD   {problem.text}")
        if result.let_go:
            typer.echo(f"note  the disk budget removed the first {result.let_go} readings")
        for name in result.torn_files:
            typer.echo(f"note  {name}: a damaged end that a repair set aside")
        verdict = "in order" if result.ok else "NOT in order"
        typer.echo(f"{result.records} records in {result.files} files: {verdict}")
    if not result.ok:
        raise typer.Exit(2)


@app.command()
def export(
    root: Root,
    withhold: Annotated[
        list[str] | None, typer.Option(help="A phrase to strike out everywhere (an address, a name); repeatable.")
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="A camera whose photos and findings may be shown; repeatable.")
    ] = None,
    free_text: Annotated[
        bool,
        typer.Option(
            "--with-free-text", help="Also what persons, models and other programs wrote, searched for secrets."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write public/ anew: whitelisted fields only, each action with its state and its reasons."""
    from tomato_host.storage.public import PUBLIC_CAMERAS, export_public

    cameras = frozenset(camera) if camera else PUBLIC_CAMERAS
    result = export_public(root, withhold=withhold or (), cameras=cameras, free_text=free_text)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    for stream, count in sorted(result.records.items()):
        typer.echo(f"{count:9d}  {stream}")
    typer.echo(
        f"{result.withheld_records:9d}  kept private; {result.images} photos shown, {result.images_kept_back} kept back"
    )
    typer.echo(f"{result.texts_withheld:9d}  texts withheld; {result.names_replaced} names replaced")
    if result.images_note:
        typer.echo(f"note  {result.images_note}")
    typer.echo(f"Written to {root / 'public'}. Read it once yourself before you publish it.")


@app.command()
def query(
    root: Root,
    sql: Annotated[str, typer.Argument(help='For example "SELECT ts, env.vpd_kpa FROM states LIMIT 5".')],
    as_json: AsJson = False,
) -> None:
    """Query in SQL; every stream is a table with n, seq, ts (UTC) and the fields of its records."""
    from tomato_host.storage.analysis import query as ask

    table = ask(root, sql)
    if as_json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        typer.echo(json.dumps(rows, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(*table.columns)
    for row in table.rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(shown)


@app.command()
def parquet(
    root: Root,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; default ROOT/parquet.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one Parquet file per stream."""
    from tomato_host.storage.analysis import write_parquet

    written = write_parquet(root, out or root / "parquet")
    if as_json:
        typer.echo(json.dumps({"files": [str(path) for path in written]}))
        return
    for path in written:
        typer.echo(f"{path.stat().st_size:10d}  {path}")


@app.command()
def info(root: Root, as_json: AsJson = False) -> None:
    """Show what a dataset holds: streams, counts, first and last time, size, the hashes to write down."""
    facts = _facts(root)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for key, value in facts["metadata"].items():
        typer.echo(f"{key}: {value}")
    for name, stream in facts["streams"].items():
        typer.echo(
            f"{name:15s} {stream['records']:9d} records  {stream['bytes']:11d} bytes  "
            f"{stream['first_ts']} to {stream['last_ts']}  head {stream['hash']}"
        )


def _facts(root: Path) -> dict[str, Any]:
    from tomato_host.storage.chain import parse_line
    from tomato_host.storage.layout import METADATA
    from tomato_host.storage.reader import require_dataset, stream_files

    require_dataset(root)
    streams: dict[str, Any] = {}
    for stream, files in stream_files(root / "private").items():
        first = last = None
        for path in files:
            with path.open("rb") as file:
                for line in file:
                    try:
                        last = parse_line(line)
                    except ValueError:
                        continue
                    first = first or last
        if first is not None and last is not None:
            streams[stream] = {
                "records": last.seq,
                "files": len(files),
                "bytes": sum(path.stat().st_size for path in files),
                "first_ts": json.loads(first.payload)["ts"],
                "last_ts": json.loads(last.payload)["ts"],
                "hash": last.hash,
            }
    return {"metadata": json.loads((root / METADATA).read_bytes()), "streams": streams}
