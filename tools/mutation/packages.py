"""The packages under the mutation gate: which files are changed, which tests must notice, where the survivors stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = "firmware/tomato/core"
HOST = "host/tomato_host"


@dataclass(frozen=True)
class GatedPackage:
    """One package under the gate; paths are relative to the repository."""

    name: str
    folder: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    survivors: str
    slowest_s: float = 1.0
    """Tests that take longer, in CPU time under coverage, are left out: a mutant must be killed by the quick ones."""

    @property
    def files(self) -> list[Path]:
        """The files to be changed."""
        return [ROOT / self.folder / f"{module}.py" for module in self.modules]


PACKAGES = (
    GatedPackage(
        "core",
        CORE,
        (
            *("states", "pulses", "interlocks", "requests", "counters", "faults", "survival", "saving", "slots"),
            *("configuration", "commands", "inputs", "board"),
        ),
        # Those that need neither the VM nor a trace of their own.
        tuple(
            f"tests/firmware_core/test_{name}.py"
            for name in (
                *("commands", "configuration", "counters", "edges_books", "edges_flow", "edges_pulses", "edges_states"),
                *(
                    "edges_survival",
                    "faults",
                    "forced_ventilation",
                    "inputs",
                    "interlocks",
                    "latches",
                    "matrix",
                    "pulses",
                ),
                *("bus", "events", "looks_left_out", "restarts", "saving", "states", "survival", "weakening"),
            )
        ),
        "tests/firmware_core/survivors.md",
        3.0,
    ),
    GatedPackage(
        "guardrails",
        f"{HOST}/brain/guardrails",
        ("context", "guardrails", "ledger", "ledger_events", "limits", "profiles", "rolling_window", "rules"),
        ("tests/guardrails",),
        "tests/guardrails/survivors.md",
    ),
    GatedPackage(
        "admission",
        f"{HOST}/brain/admission",
        ("idempotency", "answered_verdicts", "quota", "backpressure", "fairness", "staleness"),
        ("tests/admission",),
        "tests/admission/survivors.md",
    ),
    GatedPackage(
        "safe_mode",
        f"{HOST}/brain/safe_mode",
        ("causes", "machine", "settings", "signals"),
        (
            *("tests/control/test_safe_mode.py", "tests/control/test_safe_mode_table.py"),
            "tests/brain/test_clock_steps.py",
        ),
        "tests/control/survivors_safe_mode.md",
    ),
    GatedPackage(
        "control",
        f"{HOST}/brain/control",
        ("control_inputs", "decision_triggers", "photoperiod", "proposals", "rules", "targets", "water_usage"),
        (
            *("tests/control/test_rules.py", "tests/control/test_photoperiod.py", "tests/control/test_watering.py"),
            *("tests/control/test_rules_table.py", "tests/control/test_decision_triggers.py"),
            "tests/control/test_reasons.py",
        ),
        "tests/control/survivors.md",
    ),
    GatedPackage(
        "estimator",
        f"{HOST}/brain/estimator",
        (
            *("anomaly_detector", "channels", "confidence", "cross_check", "drift"),
            *("lamp_interference", "recent_events", "sensor_health"),
        ),
        (
            *("tests/estimator/test_anomaly_detector.py", "tests/estimator/test_confidence.py"),
            *("tests/estimator/test_drift_evidence.py", "tests/estimator/test_judgement.py"),
            *("tests/estimator/test_lamp_interference.py", "tests/estimator/test_pots_part.py"),
            "tests/estimator/test_sensor_health.py",
        ),
        "tests/estimator/survivors.md",
        0.7,
    ),
    GatedPackage(
        "execution",
        f"{HOST}/brain/execution",
        ("executor", "output_job"),
        ("tests/execution",),
        "tests/execution/survivors.md",
    ),
    GatedPackage(
        "link",
        f"{HOST}/board",
        ("protocol", "session", "pending_commands", "clock_sync", "decoding", "delayed_watermark", "events"),
        (
            *("tests/board/test_commands_and_clock.py", "tests/board/test_delayed_watermark.py"),
            "tests/board/test_event_text.py",
            *("tests/board/test_protocol_calm.py", "tests/board/test_protocol_frames.py"),
            *("tests/board/test_session.py", "tests/board/test_session_timing.py"),
        ),
        "tests/board/survivors.md",
    ),
    GatedPackage(
        "storage",
        f"{HOST}/storage",
        ("appender", "buffering", "chain", "dataset", "layout", "reader", "recovery", "stream", "verify"),
        (
            *("tests/storage/test_anchors.py", "tests/storage/test_budget.py"),
            *("tests/storage/test_crash.py", "tests/storage/test_dataset_manager.py"),
            *("tests/storage/test_durability.py", "tests/storage/test_error_handling.py"),
            *("tests/storage/test_jsonl_writer.py", "tests/storage/test_lines_and_files.py"),
            "tests/storage/test_metadata.py",
            *("tests/storage/test_recovery.py", "tests/storage/test_rotation.py", "tests/storage/test_verify.py"),
        ),
        "tests/storage/survivors.md",
    ),
)
PACKAGE_BY_NAME = {package.name: package for package in PACKAGES}
