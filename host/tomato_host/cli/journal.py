"""`tomato-host journal`: notes, photos, tasks, measurements and harvests; the season's report and its time-lapse."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomato_host.cli.completion_words import one_of
from tomato_host.errors import TomatoError, first_reason

if TYPE_CHECKING:
    from shared_schemas.records.journal_v1 import JournalV1

app = typer.Typer(no_args_is_help=True, help="The grower's journal.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="The data directory, of a running host or not.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
DEFAULT_DATA_DIR = Path("data")
TASKS = "sown, planted, pruned, pollinated, fed, treated, repotted or cleaned"
WRITER = "terminal"
ANSWER_S = 15.0


@app.command()
def add(
    text: Annotated[str, typer.Argument(help="Your own words.", show_default=False)] = "",
    task: Annotated[
        str,
        typer.Option(
            "--task", help=f"What was done: {TASKS}.", autocompletion=one_of(*TASKS.replace(" or", ",").split(", "))
        ),
    ] = "",
    harvest_g: Annotated[float | None, typer.Option("--harvest", help="Weight of the fruit, g.")] = None,
    count: Annotated[int | None, typer.Option("--count", help="How many fruits.")] = None,
    ec: Annotated[float | None, typer.Option("--ec", help="Electrical conductivity, mS/cm (0 to 20).")] = None,
    ph: Annotated[float | None, typer.Option("--ph", help="Acidity (2 to 12).")] = None,
    feed_ml: Annotated[float | None, typer.Option("--feed", help="Nutrient solution given by hand, ml.")] = None,
    sample: Annotated[
        str,
        typer.Option(
            "--sample",
            help="Where measured: solution, drain or substrate.",
            autocompletion=one_of("solution", "drain", "substrate"),
        ),
    ] = "",
    plant: Annotated[str, typer.Option("--plant", help="Which plant; none: all.")] = "",
    photo: Annotated[Path | None, typer.Option("--photo", help="A JPEG or PNG; stored anew from its pixels.")] = None,
    at: Annotated[str, typer.Option("--at", help="When, like 2026-07-04T08:30; else now. Local time there.")] = "",
    corrects: Annotated[str, typer.Option("--corrects", help="Id of the entry that this one replaces.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Write an entry down. What it is follows from the options: a harvest, a task, a measurement, else a note."""
    measured = any(value is not None for value in (ec, ph, feed_ml))
    kind = (
        "harvest"
        if harvest_g is not None or count is not None
        else "task"
        if task
        else "measurement"
        if measured
        else "note"
    )
    values = {
        "kind": kind, "text": text, "plant": plant, "task": task or None, "harvest_g": harvest_g, "fruit_count": count,
        "ec_ms_cm": ec, "ph": ph, "feed_ml": feed_ml, "sample": sample or None,
    }  # fmt: skip
    record = _entry(data_dir, values, at, photo, corrects)
    _store(data_dir, record)
    typer.echo(record.to_json() if as_json else f"{record.id}: {line_of(json.loads(record.to_json()))}")


@app.command("list")
def list_entries(
    days: Annotated[
        float | None, typer.Option("--days", min=0.0, max=36_500.0, help="Only the last so many days.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="Only note, task, harvest or measurement.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """The entries, oldest first, and what they add up to."""
    from tomato_host.storage.journal_entries import read_entries, totals
    from tomato_host.terminal.word_table import echo

    now = _now(data_dir)
    every = read_entries(data_dir).rows()
    first = now - timedelta(days=days) if days is not None else None
    rows = [
        one
        for one in every
        if (not kind or one["kind"] == kind) and (first is None or datetime.fromisoformat(one["ts"]) >= first)
    ]
    found = totals(every, now.date())
    if as_json:
        begun = None if found.begun is None else found.begun.isoformat()
        typer.echo(json.dumps({"entries": rows, "totals": {**found._asdict(), "begun": begun}}, ensure_ascii=False))
        return
    for one in rows:
        echo(f"{one['ts'][:16].replace('T', ' ')}  {line_of(one)}  [{one['id']}]")
    day = f"day {found.day}, " if found.day is not None else ""
    harvested = f"{found.harvest_g:g} g in {found.harvests} harvests"
    echo(f"{len(rows)} entries; {day}{harvested}, {found.feed_ml:g} ml fed by hand")


@app.command()
def withdraw(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="As `journal list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Take an entry back: it counts no longer. The dataset keeps the record of it."""
    from shared_schemas.records.journal_v1 import JournalV1

    found = _existing(data_dir, entry_id)
    record = JournalV1.model_validate({**found, "by": WRITER, "withdrawn": True})
    _store(data_dir, record)
    typer.echo(record.to_json() if as_json else f"{entry_id} is withdrawn")


@app.command()
def report(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("season.html"),
    language: Annotated[str, typer.Option("--language", help="en or de.")] = "en",
    config: Annotated[Path | None, typer.Option("--config", help="TOML settings file: the power of devices.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """The season on one page to print: yield per litre and per kWh, weeks, harvests, tasks, measurements."""
    from tomato_host.atomic_file import replace_file
    from tomato_host.service.history import History
    from tomato_host.service.season_report import LANGUAGES, report_page
    from tomato_host.settings import load_settings
    from tomato_host.storage.reader import require_dataset
    from tomato_host.terminal.progress import progress

    if language not in LANGUAGES:
        raise TomatoError("E-JOURNAL-ENTRY", f"There is no report in {language!r}.", f"choose {' or '.join(LANGUAGES)}")
    require_dataset(data_dir)
    history = History(data_dir, load_settings(config).service.power_w)
    with progress("reading the season"):
        history.load()
        page = report_page(history, history.journal.rows(), _now(data_dir), language, served=False)
    replace_file(out, page.encode())
    typer.echo(f"Written to {out}. Open it in a browser, and print it there.")


@app.command()
def timelapse(
    span: Annotated[
        str, typer.Option("--span", help="week or season.", autocompletion=one_of("week", "season"))
    ] = "season",
    camera: Annotated[str, typer.Option("--camera", help="Which one; else that with the most photos.")] = "",
    out: Annotated[Path, typer.Option("--out", help="The file to write: .mp4, .webp or .gif.")] = Path("season.webp"),
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """The photos of the last week or the season as a film or moving picture (extras [camera], for MP4 [video])."""
    from tomato_host.atomic_file import replace_file
    from tomato_host.storage.time_lapse import FORMATS, SPANS_D, time_lapse
    from tomato_host.terminal.progress import progress

    kind = out.suffix.removeprefix(".").lower()
    if span not in SPANS_D or kind not in FORMATS:
        raise TomatoError(
            "E-JOURNAL-LAPSE",
            f"--span {span} into {out.name} does not work.",
            "--span week or season; --out .mp4, .webp or .gif",
        )
    with progress("encoding"):
        data = time_lapse(data_dir, SPANS_D[span], kind, camera)
    if data is None:
        raise TomatoError(
            "E-JOURNAL-LAPSE", "There are fewer than two photos in this time.", "add some, or name a --camera"
        )
    replace_file(out, data)
    typer.echo(f"{out}: {len(data)} bytes")


def line_of(one: dict[str, Any]) -> str:
    """An entry in one line."""
    parts = [one["task"] or one["kind"]]
    if one["plant"]:
        parts.append(f"({one['plant']})")
    units = (("harvest_g", "g"), ("fruit_count", "fruits"), ("feed_ml", "ml fed"), ("ec_ms_cm", "mS/cm"))
    parts += [f"{one[name]:g} {unit}" for name, unit in units if one[name] is not None]
    if one["ph"] is not None:
        parts.append(f"pH {one['ph']:g}")
    if one["sample"]:
        parts.append(f"in the {one['sample']}")
    if one["photo_sha256"]:
        parts.append("with photo")
    return " ".join(parts) + (f": {one['text']}" if one["text"] else "")


def _now(data_dir: Path) -> datetime:
    from datetime import UTC

    from tomato_host.cli.recorded_settings import dataset_zone

    return datetime.now(UTC).astimezone(dataset_zone(data_dir))


def _existing(data_dir: Path, entry_id: str) -> dict[str, Any]:
    from tomato_host.storage.journal_entries import read_entries

    found = read_entries(data_dir).get(entry_id)
    if found is None:
        raise TomatoError(
            "E-JOURNAL-NONE", f"There is no entry {entry_id}.", "`tomato-host journal list` shows the ids"
        )
    return found


def _entry(data_dir: Path, values: dict[str, Any], at: str, photo: Path | None, corrects: str) -> JournalV1:
    """The record, complete and valid. Raises TomatoError E-JOURNAL-* with what is wrong."""
    from pydantic import ValidationError

    from shared_schemas.records.journal_v1 import JournalV1
    from tomato_host.cli.recorded_settings import dataset_zone, parse_local_time
    from tomato_host.storage.journal_entries import new_id
    from tomato_host.storage.reader import require_dataset

    require_dataset(data_dir)
    now, zone = _now(data_dir), dataset_zone(data_dir)
    moment = parse_local_time(at, zone, "E-JOURNAL-ENTRY", "2026-07-04T08:30") if at else now
    if moment > now + timedelta(minutes=5):
        raise TomatoError("E-JOURNAL-ENTRY", "An entry cannot be of the future.", "check --at")
    if corrects:
        _existing(data_dir, corrects)
    fields = {"schema_version": "journal_v1", "ts": moment, "id": corrects or new_id(now), "by": WRITER, **values}
    try:
        record = JournalV1.model_validate({**fields, "photo_sha256": "0" * 64 if photo is not None else None})
    except ValidationError as error:
        raise TomatoError(
            "E-JOURNAL-ENTRY", f"That is no entry: {first_reason(error)}.", "tomato-host journal add --help"
        ) from None
    return record if photo is None else record.model_copy(update={"photo_sha256": _photo(data_dir, photo, moment)})


def _photo(data_dir: Path, path: Path, taken: datetime) -> str:
    from tomato_host.storage.journal_photos import stored_photo

    try:
        data = path.read_bytes()
    except OSError as error:
        raise TomatoError("E-JOURNAL-PHOTO", f"{path} cannot be read: {error.strerror}.", "check its name") from None
    return stored_photo(data_dir, data, taken)


def _store(data_dir: Path, record: JournalV1) -> None:
    """By the running host; where none runs, straight into the dataset."""
    from tomato_host.commands.inbox import new_request, submit, wait_reply
    from tomato_host.storage.dataset import Dataset

    try:
        with Dataset.open(data_dir) as dataset:
            dataset.append(record)
        return
    except TomatoError as error:
        if error.code != "E-STORAGE-BUSY":
            raise
    request = new_request("journal", "", journal=record)
    submit(data_dir, request)
    wait_reply(data_dir, request, ANSWER_S)
