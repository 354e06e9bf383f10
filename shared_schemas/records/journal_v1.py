"""journal_v1: what a person saw, did, measured or harvested, written down by that person."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from shared_schemas.records.base import Identifier, Record

JournalKind = Literal["note", "task", "harvest", "measurement"]
JournalTask = Literal["sown", "planted", "pruned", "pollinated", "fed", "treated", "repotted", "cleaned"]

FIELDS_OF: dict[str, tuple[str, ...]] = {
    "note": (),
    "task": ("task", "feed_ml", "ec_ms_cm", "ph"),
    "harvest": ("harvest_g", "fruit_count"),
    "measurement": ("ec_ms_cm", "ph", "feed_ml", "sample"),
}
"""By kind the fields of its own; text, plant and photo belong to each."""
_OWN = tuple(dict.fromkeys(name for names in FIELDS_OF.values() for name in names))


class JournalV1(Record):
    """One entry of the grower's journal. A later record of the same `id` corrects it, or withdraws it.

    Example:
        {"schema_version": "journal_v1", "ts": "2026-07-04T08:30:00+02:00", "id": "j-20260704T063000000000",
         "kind": "harvest", "plant": "left", "text": "First ripe truss.", "harvest_g": 412.0, "fruit_count": 6,
         "task": null, "ec_ms_cm": null, "ph": null, "feed_ml": null, "sample": null, "photo_sha256": null,
         "by": "ana", "withdrawn": false}
    """

    schema_version: Literal["journal_v1"]
    id: Identifier
    kind: JournalKind
    plant: Annotated[str, Field(max_length=40)] = ""
    """Name of the plant; empty: all of them."""
    text: Annotated[str, Field(max_length=1_000)] = ""
    """The person's own words."""
    task: JournalTask | None = None
    """What was done; `sown` and `planted` begin the count of days."""
    harvest_g: Annotated[FiniteFloat, Field(gt=0.0, le=50_000.0)] | None = None
    """Weight of the fruit, g."""
    fruit_count: Annotated[int, Field(ge=1, le=2_000)] | None = None
    """How many fruits."""
    ec_ms_cm: Annotated[FiniteFloat, Field(ge=0.0, le=20.0)] | None = None
    """Electrical conductivity, mS/cm."""
    ph: Annotated[FiniteFloat, Field(ge=2.0, le=12.0)] | None = None
    """Acidity; a nutrient solution lies about 5.5 to 6.5."""
    feed_ml: Annotated[FiniteFloat, Field(gt=0.0, le=20_000.0)] | None = None
    """Nutrient solution given by hand, ml."""
    sample: Literal["solution", "drain", "substrate"] | None = None
    """Where EC and pH were measured."""
    photo_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The photo as it is stored."""
    by: Identifier
    """Whose entry it is: the name of the access token, or `terminal`."""
    withdrawn: bool = False
    """True: the entry counts no longer."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        """Raises ValueError that names what the kind lacks, or what does not belong to it."""
        if not self.withdrawn and (problem := what_is_wrong(self.model_dump())) is not None:
            raise ValueError(problem)
        return self


def what_is_wrong(entry: dict[str, Any]) -> str | None:
    """Why these fields are no entry of their kind, for a person; None when they are one."""
    kind = entry["kind"]
    foreign = [name for name in _OWN if entry.get(name) is not None and name not in FIELDS_OF[kind]]
    if foreign:
        return f"{', '.join(foreign)} does not belong to a {kind}"
    if kind == "note" and not entry.get("text") and not entry.get("photo_sha256"):
        return "a note needs text or a photo"
    if kind == "task" and entry.get("task") is None:
        return "a task needs what was done"
    measured = [name for name in ("feed_ml", "ec_ms_cm", "ph") if entry.get(name) is not None]
    if kind == "task" and measured and entry["task"] != "fed":
        return "feed_ml, ec_ms_cm and ph belong to the task fed"
    if kind == "harvest" and entry.get("harvest_g") is None:
        return "a harvest needs its weight, harvest_g"
    if kind == "measurement" and not measured:
        return "a measurement needs ec_ms_cm, ph or feed_ml"
    return None
