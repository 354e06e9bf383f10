"""The public diary: one Markdown file a day, built from an allow-list of what an event says."""

from __future__ import annotations

from pathlib import Path

from shared_schemas.records import EventV1
from tomato_host.atomic_file import replace_file

PUBLIC_TEXTS = frozenset({"summary", "explanation", "hypothesis", "chronicle"})
PUBLIC_DATA = frozenset(
    {"wake_id", "written_by", "prompt", "prompt_hash", "grammar_hash", "model_hash", "seed", "runtime"}
)
"""Whatever is not named here stays private: addresses, paths and errors of the machine among it."""


def public_view(event: EventV1) -> EventV1 | None:
    """The event as the public may see it, or None when it is none of the four texts."""
    if event.kind != "agent" or event.name not in PUBLIC_TEXTS:
        return None
    return event.model_copy(update={"data": {k: v for k, v in event.data.items() if k in PUBLIC_DATA}})


def write_chronicle(data_dir: Path, date: str, event: EventV1) -> Path | None:
    """Write `public/chronicle/<date>.md` whole; a second entry for the same day replaces the first."""
    public = public_view(event)
    if public is None:
        return None
    written_by = "a language model, from measured facts" if public.data.get("written_by") == "model" else "a template"
    page = f"# {date}\n\n{public.text}\n\n*Written by {written_by}; every number is measured.*\n"
    path = data_dir / "public" / "chronicle" / f"{date}.md"
    replace_file(path, page.encode(), parents=True)
    return path
