"""What an import read and what it left out: counts, each with an example line of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """Where something was first seen."""

    file: str
    line: int
    shown: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.shown}"


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was left out or looks wrong, how often, and an example."""

    kind: str
    what: str
    count: int
    example: Example | None = None


@dataclass(frozen=True)
class QuantityFacts:
    """What was read of one quantity: values, and their 5 %, 50 % and 95 % quantiles in its own unit."""

    quantity: str
    column: str
    values: int
    low: float | None
    middle: float | None
    high: float | None


@dataclass(frozen=True)
class ImportReport:
    """The whole of one import."""

    files: tuple[str, ...]
    rows: int
    """Rows below the column names."""
    rows_kept: int
    """Moments that remain."""
    first: str | None
    last: str | None
    places: tuple[str, ...]
    quantities: tuple[QuantityFacts, ...]
    findings: tuple[Finding, ...] = field(default=())

    def count(self, kind: str) -> int:
        """Sum of the counts of a kind: `time`, `unreadable`, `sentinel`, `outside_limits`, `duplicate`, `gap`, ..."""
        return sum(one.count for one in self.findings if one.kind == kind)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report for a person."""
        out = [f"{self.rows} rows read, {self.rows_kept} kept, from {self.first} to {self.last} (UTC)"]
        for one in self.quantities:
            spread = f"{one.low:.4g} to {one.high:.4g}, half below {one.middle:.4g}" if one.values else "nothing"
            out.append(f"  {one.quantity:<22} {one.values:>9} values from {one.column!r}: {spread}")
        for finding in self.findings:
            example = f" ({finding.example})" if finding.example else ""
            out.append(f"! {finding.count} {finding.what}{example}")
        return out


def report_from_json(raw: Mapping[str, Any]) -> ImportReport:
    """The inverse of `as_json`."""
    findings = tuple(
        Finding(one["kind"], one["what"], one["count"], Example(**one["example"]) if one["example"] else None)
        for one in raw["findings"]
    )
    quantities = tuple(QuantityFacts(**one) for one in raw["quantities"])
    plain = {key: tuple(raw[key]) for key in ("files", "places")}
    return ImportReport(**{**raw, **plain, "quantities": quantities, "findings": findings})
