"""`tomato-host replay`: recorded observations through the current brain, or a recorded run checked against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.recorded_settings import dataset_settings, dataset_zone
from tomato_host.cli.recording_span import RecordingSpan, read_span

if TYPE_CHECKING:
    from shared_schemas.records import Record
    from tomato_host.brain.step_data import BrainSettings
    from tomato_host.replay.check import Checker, CheckResult
    from tomato_host.replay.replay import ReplayResult
    from tomato_host.sources.interface import Source
    from tomato_host.storage.reader import Report


def replay(
    recording: Annotated[
        Path, typer.Argument(help="A dataset, an import, a JSONL file, or a table (CSV, XLSX, Parquet).")
    ],
    mapping: Annotated[Path | None, typer.Option(help="Which column is what, for a table of your own (TOML).")] = None,
    select: Annotated[
        list[str] | None, typer.Option(help="COLUMN=TEXT: take only these rows of a table; repeatable.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Start: 2020-02-01T06:00 (local time), or a record's number.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive; also `latest`.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Write the results into a dataset there.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings; default: the recording's own, if it has any.")] = None,
    malformed: Annotated[str, typer.Option(help="Damaged lines: fail or skip.")] = "fail",
    check: Annotated[bool, typer.Option("--check", help="Compare with what was recorded, byte for byte.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Run a recording through the current brain. With --check it exits with 2 when anything differs."""
    from tomato_host.app import brain_settings
    from tomato_host.errors import TomatoError
    from tomato_host.terminal.progress import progress

    if malformed not in ("fail", "skip"):
        raise TomatoError("E-REPLAY-OPTION", f"--malformed {malformed} is unknown.", "give fail or skip")
    zone = dataset_zone(recording, config)
    span = read_span(begin, end, zone)
    if check:
        _check(recording, config, span, as_json)
        return
    moments = span.moments(recording)
    with progress("replay", as_json) as shown:
        source = _source(recording, mapping, select or [], moments, malformed, zone.key, shown.share)
        settings = brain_settings(dataset_settings(recording, config))
        result = _run(source, settings, data_dir)
    _report(result, data_dir, as_json)


def _run(source: Source, settings: BrainSettings, data_dir: Path | None) -> ReplayResult:
    from tomato_host.brain.brain import Brain
    from tomato_host.replay.replay import NoStore, replay
    from tomato_host.storage import Dataset

    if data_dir is None:
        return replay(source, Brain(settings), NoStore())
    with Dataset.open(data_dir, fsync="never", about={"replay": True}) as dataset:
        return replay(source, Brain(settings), dataset)


def _source(
    recording: Path,
    mapping: Path | None,
    select: list[str],
    span: tuple[datetime | None, datetime | None],
    malformed: str,
    time_zone: str,
    report: Callable[[float], None],
) -> Source:
    from tomato_host.importing.imported import is_imported
    from tomato_host.importing.mapping import load_mapping
    from tomato_host.sources.measured import MeasuredSource, recognise
    from tomato_host.sources.replay import ReplaySource
    from tomato_host.storage.reader import dataset_lines

    policy: Any = malformed
    wanted = dict(map(_pair, select))
    if is_imported(recording):
        return MeasuredSource.from_import(recording, wanted.get("place"), begin=span[0], end=span[1])
    if recording.is_dir():
        return ReplaySource(dataset_lines(recording, report), policy, begin=span[0], end=span[1])
    if mapping is None and ".jsonl" in recording.name:
        return ReplaySource.from_file(recording, policy, begin=span[0], end=span[1])
    table = load_mapping(mapping, time_zone) if mapping is not None else recognise(recording)
    return MeasuredSource(recording, table.selecting(wanted), begin=span[0], end=span[1])


def _pair(text: str) -> tuple[str, str]:
    from tomato_host.errors import TomatoError

    column, equals, value = text.partition("=")
    if not equals:
        raise TomatoError("E-REPLAY-OPTION", f"--select {text} is not a pair.", "write --select compartment=Digilog")
    return column, value


def _report(result: ReplayResult, data_dir: Path | None, as_json: bool) -> None:
    import json

    facts = {
        "observations": result.observations,
        "late": result.late,
        "states": result.states,
        "anomalies": result.anomalies,
        "decisions": result.decisions,
        "actions": result.actions,
        "refused": result.refused,
        "from": _text(result.first_ts),
        "to": _text(result.last_ts),
        "lacking": list(result.lacking),
        "missing": result.missing,
        "dataset": str(data_dir) if data_dir else None,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"{result.observations} observations from {facts['from']} to {facts['to']}: {result.states} states, "
        f"{result.anomalies} anomalies, {result.decisions} decisions"
    )
    if result.lacking:
        typer.echo(f"This recording never measured: {', '.join(result.lacking)}. What needs them stays unknown.")
    for name, count in sorted(result.missing.items()):
        typer.echo(f"{name}: no value in {count} observations")


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _check(recording: Path, config: Path | None, span: RecordingSpan, as_json: bool) -> None:

    from tomato_host.app import brain_settings
    from tomato_host.models.store import ModelStore
    from tomato_host.replay.check import Checker
    from tomato_host.storage.layout import read_metadata
    from tomato_host.storage.reader import require_dataset
    from tomato_host.terminal.progress import progress

    require_dataset(recording)
    simulated = "simulated" in read_metadata(recording)
    models = ModelStore(recording / "models")
    settings = brain_settings(dataset_settings(recording, config))
    checker = Checker(settings, decides=not simulated, stored_model=models.verify)
    with progress("checking", as_json) as shown:
        result = checker.check(_records_of(recording, span, checker, shown.share))
    _report_check(result, as_json, _incomplete_from(recording))
    if not result.same:
        raise typer.Exit(2)


def _records_of(recording: Path, span: RecordingSpan, checker: Checker, report: Report) -> Iterator[Record]:
    """All records up to the span's end; what is found before its first observation does not count."""
    from shared_schemas.records import ObservationV1
    from tomato_host.storage.reader import read_all, read_records

    if span.is_whole:
        yield from read_records(recording, report=report)
        return
    begun = False
    for line, record in zip(read_all(recording), read_records(recording, report=report), strict=True):
        number = line.link.n
        if span.is_over(number, record.ts):
            return
        if not begun and isinstance(record, ObservationV1) and span.has_begun(number, record.ts):
            begun = True
            checker.begin_count()
        yield record


def _incomplete_from(recording: Path) -> str | None:
    """When the disk budget first left readings out: from there on the current brain lacks inputs."""
    from shared_schemas.records import EventV1
    from tomato_host.storage.budgeted_store import INCOMPLETE_AFTER
    from tomato_host.storage.reader import read_records

    events = (record for record in read_records(recording, {"events"}) if isinstance(record, EventV1))
    return next((event.ts.isoformat() for event in events if event.name in INCOMPLETE_AFTER), None)


def _report_check(result: CheckResult, as_json: bool, incomplete_from: str | None) -> None:
    import json

    if as_json:
        listed = [
            {"kind": d.kind, "ts": d.ts, "field": d.field, "recorded": d.recorded, "today": d.today}
            for d in result.differences
        ]
        typer.echo(
            json.dumps(
                {
                    "same": result.same,
                    "observations": result.observations,
                    "compared": result.compared,
                    "differing": result.differing,
                    "differences": listed,
                    "incomplete_from": incomplete_from,
                }
            )
        )
        return
    for difference in result.differences:
        typer.echo(difference.text)
    if result.more_differences:
        typer.echo(f"... and {result.more_differences} more")
    for kind, count in sorted(result.compared.items()):
        typer.echo(f"{kind:20s} {count:8d} compared {result.differing[kind]:8d} differ")
    if incomplete_from is not None:
        typer.echo(f"The disk budget left readings out (first on {incomplete_from}): differences are to be expected.")
    typer.echo(
        "The current brain produces the same, byte for byte."
        if result.same
        else "The current brain produces something else."
    )
