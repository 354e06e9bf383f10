"""`tomato-host learn reports`: the field reports that a data directory holds."""

from __future__ import annotations

import typer

from tomato_host.cli.learn_options import DEFAULT_DATA, AsJson, Data, show


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(reports)


def reports(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Field reports on the disk: when, what was decided, what came of it, whether a receipt is there."""
    from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome
    from tomato_host.learn.policy.view import PolicyAction
    from tomato_host.learn.report_store import ReportStore

    store = ReportStore(data / "learn" / "reports" / "wal.bin")
    rows = []
    for stored in sorted(store.reports.values(), key=lambda one: one.stored_ms):
        report = FieldReport.FromString(stored.raw)
        known = report.choice.action in PolicyAction._value2member_map_
        rows.append(
            {
                "report_id": f"{report.report_id:016x}",
                "stored_ms": stored.stored_ms,
                "policy_version": report.policy_version,
                "action": PolicyAction(report.choice.action).name if known else str(report.choice.action),
                "outcome": ReportOutcome.Name(report.outcome).removeprefix("REPORT_OUTCOME_")
                if report.outcome in ReportOutcome.values()
                else "UNKNOWN",
                "reward": round(sum(epoch.reward for epoch in report.epochs), 4),
                "slot": report.slot,
                "acknowledged": stored.acknowledged,
            }
        )
    lines = [
        f"{row['report_id']}  {row['action']:16} {row['outcome']:11} reward {row['reward']:+.3f}  "
        f"{'received' if row['acknowledged'] else 'waits'}"
        for row in rows
    ]
    show({"reports": rows}, lines or ["No field report yet."], as_json)
