"""Field reports: complete enough to learn from, on the disk first, gone only after a receipt and a day."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest
from tomato_host.learn import wal as wal_module
from tomato_host.learn.messages import SCHEMA
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.policy.view import FEATURES, PolicyAction
from tomato_host.learn.report_store import MOST_REPORTS, ReportStore, content_checksum
from tomato_host.learn.signing import MessageVerifier

from shared_schemas.learn.budgets import REPORT_WINDOW_EPOCHS
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome
from tests.learn.loops import KEYS, NOW_MS, now_ms
from tests.learn.views import packets, report, signed, signer, slot, verifier

S = SlotStage
HOUR_MS = 3_600_000


def policy(kept: list[FieldReport]) -> PolicyService:
    return PolicyService(signer(), verifier(), keep=kept.append)


def test_a_report_holds_state_action_log_probability_value_version_and_three_epochs() -> None:
    kept: list[FieldReport] = []
    one = policy(kept)
    empty = slot("vpd_kpa.0", S.DORMANT)
    assert one(packets(1, empty)) is not None
    for epoch in (2, 3):
        one(packets(epoch, slot("vpd_kpa.0", S.TRAINING, loss=0.5), held_out_error=0.99))
        assert kept == []
    one(packets(4, slot("vpd_kpa.0", S.TRAINING, loss=0.5), held_out_error=0.95))
    (found,) = kept
    assert found.schema == SCHEMA and found.choice.action == PolicyAction.GERMINATE_MEDIUM
    assert found.choice.deterministic and found.policy_version == 0
    assert len(found.state.features) == len(FEATURES) == len(found.next_state.features)
    assert found.state.features != found.next_state.features
    assert PolicyAction.GERMINATE_MEDIUM in found.state.allowed_actions
    assert PolicyAction.GERMINATE_MEDIUM not in found.next_state.allowed_actions
    assert [epoch.epoch for epoch in found.epochs] == [2, 3, 4] and len(found.epochs) == REPORT_WINDOW_EPOCHS
    assert found.slot == "vpd_kpa.0" and found.blueprint == 1
    assert found.epochs[2].reward == pytest.approx(10 * 0.05 - 0.02) and found.outcome == 1


@pytest.mark.parametrize(
    ("ratio", "stage", "outcome"),
    [
        (1.0, S.SHADOWING, ReportOutcome.REPORT_OUTCOME_NEUTRAL),
        (1.02, S.SHADOWING, ReportOutcome.REPORT_OUTCOME_WORSE),
        (0.9, S.PROBATIONARY, ReportOutcome.REPORT_OUTCOME_IMPROVED),
        (0.9, S.CULLED, ReportOutcome.REPORT_OUTCOME_CULLED),
    ],
)
def test_the_outcome_says_what_became_of_it(ratio: float, stage: SlotStage, outcome: int) -> None:
    kept: list[FieldReport] = []
    one = policy(kept)
    one(packets(1, slot("vpd_kpa.0", S.DORMANT)))
    for epoch in (2, 3, 4):
        one(packets(epoch, slot("vpd_kpa.0", stage), held_out_error=ratio))
    assert kept[0].outcome == outcome


def test_a_run_that_ends_reports_what_it_has_and_another_process_goes_on_watching() -> None:
    kept: list[FieldReport] = []
    one = policy(kept)
    one(packets(1, slot("vpd_kpa.0", S.DORMANT)))
    one(packets(2, slot("vpd_kpa.0", S.TRAINING)))
    other_kept: list[FieldReport] = []
    other = policy(other_kept)
    other.windows.load(one.windows.dump())
    for each in (one, other):
        each(packets(3, slot("vpd_kpa.0", S.TRAINING)))
        each(packets(4, slot("vpd_kpa.0", S.TRAINING)))
    assert len(kept) == len(other_kept) == 1
    kept[0].report_id = other_kept[0].report_id
    assert kept[0] == other_kept[0]
    one.finish(rolled_back=True)
    assert {r.outcome for r in kept[1:]} == {ReportOutcome.REPORT_OUTCOME_ROLLED_BACK}
    other.finish()
    assert other_kept[-1].outcome == ReportOutcome.REPORT_OUTCOME_CENSORED and other_kept[-1].ends_episode


def test_stored_reports_verify_and_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "wal.bin"
    store = ReportStore(path)
    for number in (1, 2, 3):
        store.append(number, signed(report(number)), NOW_MS + number)
    again = ReportStore(path)
    assert [one.report_id for one in again.unsent()] == [1, 2, 3]
    parsed = MessageVerifier(KEYS, now_ms).parse(again.unsent()[0].raw, FieldReport)
    assert parsed.choice.log_probability == pytest.approx(-1.25)


def test_only_a_receipt_with_the_right_checksum_and_24_hours_delete_a_report(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "wal.bin")
    for number in (1, 2):
        store.append(number, signed(report(number)), NOW_MS)
    assert not store.acknowledge(1, 12345) and not store.acknowledge(9, 1)
    assert store.acknowledge(1, content_checksum(signed(report(1)))), "signed anew, the content is the same"
    assert store.retain(NOW_MS + 23 * HOUR_MS) == 0
    assert store.retain(NOW_MS + 25 * HOUR_MS) == 1
    assert list(ReportStore(tmp_path / "wal.bin").reports) == [2], "never acknowledged: kept"
    assert ReportStore(tmp_path / "wal.bin").retain(NOW_MS - 900 * HOUR_MS) == 0, "a clock that was set back"


def test_a_receipt_survives_a_restart_and_compaction(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "wal.bin")
    for number in (1, 2, 3):
        store.append(number, signed(report(number)), NOW_MS + (number - 1) * 20 * HOUR_MS)
        store.acknowledge(number, content_checksum(signed(report(number))))
    assert store.retain(NOW_MS + 25 * HOUR_MS) == 1
    again = ReportStore(tmp_path / "wal.bin")
    assert [one.report_id for one in again.reports.values()] == [2, 3] and again.unsent() == []


def test_a_log_cut_at_every_byte_loses_at_most_what_was_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "wal.bin"
    store, ends = ReportStore(path), []
    for number in (1, 2, 3):
        store.append(number, signed(report(number)), NOW_MS)
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        assert len(ReportStore(path).reports) == sum(end >= one for one in ends)
    rng = random.Random(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        assert len(ReportStore(path).reports) <= 3


def test_a_full_disk_refuses_the_report_and_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReportStore(tmp_path / "wal.bin")
    store.append(1, signed(report(1)), NOW_MS)

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wal_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.append(2, signed(report(2)), NOW_MS)
    monkeypatch.undo()
    assert list(store.reports) == [1] == list(ReportStore(tmp_path / "wal.bin").reports)


def test_while_nobody_acknowledges_the_room_is_bounded_and_the_loss_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_REPORTS >= 10 * 365, "ten years of nights"
    monkeypatch.setattr("tomato_host.learn.report_store.MOST_REPORTS", 5)
    store = ReportStore(tmp_path / "wal.bin")
    for number in range(8):
        store.append(number, signed(report(number)), NOW_MS + number)
    assert store.retain(NOW_MS) == 3 and store.lost == 3
    assert sorted(ReportStore(tmp_path / "wal.bin").reports) == [3, 4, 5, 6, 7]
