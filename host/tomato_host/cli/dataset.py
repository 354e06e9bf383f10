"""`tomato-host dataset`: verify, export, query, parquet, info."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tomato_host.storage.verify import DatasetProblem, Verification

app = typer.Typer(no_args_is_help=True, help="A dataset: verify, publish, query, convert.")

Root = Annotated[Path, typer.Argument(help="The dataset: what --data-dir or --output-dir wrote.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command()
def verify(
    root: Root,
    as_json: AsJson = False,
    contract: Annotated[bool, typer.Option(help="Also read every record by its schema.")] = True,
    published: Annotated[
        Path | None,
        typer.Option(help="heads.json of an earlier export: the dataset must still hold what it vouches for."),
    ] = None,
) -> None:
    """Check every line, hash and count; names the first bad line and ends with 2 when one is found.

    Also of the public/ folder that an export wrote. Says up to where it is proven that nothing was cut off.
    """
    from tomato_host.storage.published_heads import is_public_dataset, read_published, verify_public
    from tomato_host.storage.verify import verify as check
    from tomato_host.terminal.progress import progress

    if is_public_dataset(root):
        with progress("verifying", as_json):
            records, problems = verify_public(root)
        shown = {"ok": not problems, "records": records, "problems": [_problem_json(p) for p in problems]}
        lines = [f"{records} public records: {'in order and complete' if not problems else 'NOT in order'}"]
    else:
        with progress("verifying", as_json) as bar:
            noted = read_published(published) if published else None
            result = check(root, contract=contract, noted=noted, report=bar.share)
        problems, shown, lines = result.problems, _verification_json(result), _verification_lines(result)
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        for line in [*(f"BAD   {problem.text}" for problem in problems), *lines]:
            typer.echo(line)
    if problems:
        raise typer.Exit(2)


def _problem_json(problem: DatasetProblem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "what": problem.what}


def _verification_json(result: Verification) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "records": result.records,
        "files": result.files,
        "problems": [_problem_json(problem) for problem in result.problems],
        "torn": result.torn_files,
        "let_go": result.let_go,
        "heads": {stream: {"n": h.n, "seq": h.seq, "hash": h.hash} for stream, h in result.streams.items()},
        "vouched_n": result.vouched_n,
        "last_n": result.last_n,
        "closed": result.closed,
    }


def _verification_lines(result: Verification) -> list[str]:
    lines = []
    if result.let_go:
        lines.append(f"note  the disk budget removed the first {result.let_go} readings")
    lines += [f"note  {name}: a damaged end that a repair set aside" for name in result.torn_files]
    if result.ok:
        lines.append(f"note  {result.proof}")
    verdict = "in order" if result.ok else "NOT in order"
    return [*lines, f"{result.records} records in {result.files} files: {verdict}"]


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
    journal: Annotated[
        bool, typer.Option("--with-journal", help="Also the grower's journal: what was done, measured and harvested.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option(help="A private SSH key: signs public/heads.json, into heads.json.sig.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write public/ anew: whitelisted fields only, each action with its state and its reasons."""
    from tomato_host.storage.public import PUBLIC_CAMERAS, export_public
    from tomato_host.storage.published_heads import sign_heads
    from tomato_host.terminal.progress import progress

    cameras = frozenset(camera) if camera else PUBLIC_CAMERAS
    chosen = {"withhold": withhold or (), "cameras": cameras, "free_text": free_text, "journal": journal}
    with progress("writing public/", as_json) as shown:
        result = export_public(root, **chosen, report=shown.share)  # type: ignore[arg-type]  # one type a key
    if sign is not None:
        sign_heads(root / "public", sign)
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
    from tomato_host.terminal.progress import progress

    with progress("asking", as_json):
        table = ask(root, sql)
    if as_json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        typer.echo(json.dumps(rows, default=str))
        return
    from rich.console import Console

    from tomato_host.terminal.word_table import WordTable

    shown = WordTable(table.columns, framed=True)
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
    from tomato_host.terminal.progress import progress

    with progress("writing Parquet files", as_json):
        written = write_parquet(root, out or root / "parquet")
    if as_json:
        typer.echo(json.dumps({"files": [str(path) for path in written]}))
        return
    for path in written:
        typer.echo(f"{path.stat().st_size:10d}  {path}")


@app.command()
def info(root: Root, as_json: AsJson = False) -> None:
    """Show what a dataset holds: streams, counts, first and last time, size, the hashes to write down."""
    from tomato_host.terminal.progress import progress
    from tomato_host.terminal.word_table import echo

    with progress("counting", as_json):
        facts = _facts(root)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for key, value in facts["metadata"].items():
        echo(f"{key}: {value}")
    for name, stream in facts["streams"].items():
        echo(
            f"{name:15s} {stream['records']:9d} records  {stream['bytes']:11d} bytes  "
            f"{stream['first_ts']} to {stream['last_ts']}  head {stream['hash']}"
        )


def _facts(root: Path) -> dict[str, Any]:
    from tomato_host.storage.chain import parse_line
    from tomato_host.storage.layout import read_metadata
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
    return {"metadata": read_metadata(root), "streams": streams}
