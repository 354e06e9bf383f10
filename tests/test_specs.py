"""The pages that are specifications exist, can be read by a person and by a test, and name what they specify."""

from __future__ import annotations

from tests.estimator.markdown import DOCS, table_with


def test_confidence_scoring_docs_exist_and_are_readable() -> None:
    text = (DOCS / "confidence_scoring.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "confidence = range * rate * cross * history" in text
    assert len(table_with("confidence_scoring.md", "example", "settling")) >= 3
    assert len(table_with("confidence_scoring.md", "example", "overall")) >= 3
    assert all(len(line) <= 120 or line.startswith("|") for line in text.splitlines())


def test_anomaly_threshold_docs_exist_and_are_readable() -> None:
    text = (DOCS / "anomaly_thresholds.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    rows = table_with("anomaly_thresholds.md", "type", "opens at")
    assert {row["severity"] for row in rows} == {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
    for row in rows:
        opens, clears = float(row["opens at"]), float(row["clears at"])
        assert clears <= opens if row["side"] == "above" else clears >= opens, row
        assert float(row["hold s"]) >= 0.0 and float(row["clear s"]) >= 0.0
    assert all(len(line) <= 120 or line.startswith("|") for line in text.splitlines())
