"""The trainer: a block walks its way by its gates, goes back when asked, and survives what may happen in a night."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tomato_host.brain.world_model.grown_block import block_from_arrays
from tomato_host.errors import TomatoError
from tomato_host.learn import checkpoint as checkpoint_module
from tomato_host.learn.boundary import Policy
from tomato_host.learn.checkpoint import CheckpointStore
from tomato_host.learn.messages import encode_command
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.trainer import Trainer

from shared_schemas.learn.budgets import EPOCH_BOUNDARY_MS, FAST_ROLLBACK_MS, FULL_ROLLBACK_S
from shared_schemas.learn.command_pb2 import (
    AdaptationCommand,
    EmergencyCommand,
    OptimizerCommand,
    PauseCommand,
    RollbackCommand,
    SlotAction,
    SlotCommand,
)
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.state_pb2 import SystemStatePacket
from tests.learn.loops import BAD, GOOD, KEYS, now_ms, table, trainer

NIGHT = {"vpd_kpa": table()}
S = SlotStage


def stages(one: Trainer, nights: int) -> list[SlotStage]:
    """Stage after each of so many nights."""
    found = []
    for _ in range(nights):
        one.run_epoch(NIGHT)
        found.append(one.slots["vpd_kpa.0"].stage)
    return found


def test_a_block_that_helps_walks_from_empty_to_accepted_and_skips_nothing(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    one.skills = GOOD
    found = stages(one, 45)
    order = list(dict.fromkeys(found))
    assert order == [S.GERMINATED, S.TRAINING, S.BLENDING, S.SHADOWING, S.PROBATIONARY, S.FOSSILIZED]
    assert found.count(S.TRAINING) == 3 and found.count(S.BLENDING) >= 9 and found.count(S.PROBATIONARY) == 14
    slot, weather, arrays = one.served()["vpd_kpa"]
    assert slot.stage is S.FOSSILIZED and not weather
    block_from_arrays("vpd_kpa", "trees", weather, arrays, "")


def test_a_block_that_harms_is_culled_waits_and_is_scrubbed(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    one.skills = BAD
    found = stages(one, 50)
    assert S.FOSSILIZED not in found
    after = list(dict.fromkeys(found[found.index(S.CULLED) :]))
    assert after[:4] == [S.CULLED, S.EMBARGOED, S.RESETTING, S.DORMANT]
    assert found.count(S.EMBARGOED) >= one.settings.embargo_epochs
    assert one.slots["vpd_kpa.0"].culled_times == 1


def test_a_shadow_that_is_never_judged_is_culled_in_the_end_and_was_never_live(tmp_path: Path) -> None:
    found = stages(trainer(tmp_path), 60)
    assert S.PROBATIONARY not in found and S.CULLED in found
    assert found.count(S.SHADOWING) == 40


def test_pure_noise_never_trains_past_its_gate(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    nothing = table(slope=0.0)
    flat = {"vpd_kpa": type(nothing)(np.zeros_like(nothing.x), nothing.y, nothing.typical, False)}
    for _ in range(8):
        one.run_epoch(flat)
    assert one.slots["vpd_kpa.0"].culled_times == 1, "features that say nothing leave the loss where it was"


def test_slots_register_and_deregister(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    one.register("soil.P1.0")
    stages(one, 5)
    assert "vpd_kpa.0" in one.learners
    one.deregister("vpd_kpa.0")
    assert list(one.slots) == ["soil.P1.0"] and one.learners == {}
    for name in ("soil.P1.0", "novalue", "x.a", f"{'q' * 20}.0"):
        with pytest.raises(ValueError):
            one.register(name)


def test_the_boundary_keeps_its_budget(tmp_path: Path) -> None:
    """95 of 100 by the CPU's clock, half of them by the wall's: a test machine has other work."""
    for clock, rank in ((time.process_time, 18), (time.perf_counter, 9)):
        one = trainer(tmp_path / clock.__name__)
        one.timer.now = clock
        times = []
        for _ in range(20):
            one.run_epoch(NIGHT)
            times.append(one.figures["boundary_ms"])
        assert sorted(times)[rank] <= EPOCH_BOUNDARY_MS, times
        assert {"assemble_ms", "policy_ms", "command_ms", "guard_ms"} <= set(one.figures)


def arrays_of(one: Trainer) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in one.checkpoint().arrays.items()}


@pytest.mark.parametrize("way", ["fast", "full"])
def test_a_rollback_restores_everything_that_learning_goes_on_from(tmp_path: Path, way: str) -> None:
    one = trainer(tmp_path)
    stages(one, 5)
    before, state = arrays_of(one), one.state()
    stages(one, 3)
    expected = arrays_of(one)
    spent = one.fast_rollback(5) if way == "fast" else one.full_rollback(5) * 1_000.0
    assert spent <= (FAST_ROLLBACK_MS if way == "fast" else FULL_ROLLBACK_S * 1_000.0)
    assert arrays_of(one) == before and one.state() == state
    stages(one, 3)
    assert arrays_of(one) == expected, "the same nights again end in the same bytes"


def test_memory_reaches_back_a_few_epochs_and_says_so(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 8)
    one.fast_rollback()
    assert one.epoch == 7
    with pytest.raises(TomatoError) as error:
        one.fast_rollback(1)
    assert error.value.code == "E-LEARN-NO-ROLLBACK"


def test_without_a_checkpoint_a_full_rollback_says_so(tmp_path: Path) -> None:
    with pytest.raises(TomatoError) as error:
        trainer(tmp_path).full_rollback()
    assert error.value.code == "E-LEARN-CHECKPOINT"


def test_another_process_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 6)
    expected, state = arrays_of(one), one.state()
    other = trainer(tmp_path)
    assert other.state() == state and arrays_of(other) == expected
    stages(one, 4), stages(other, 4)
    assert arrays_of(other) == arrays_of(one)


def test_a_checkpoint_cut_at_any_byte_falls_back_to_the_one_before(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 4)
    store = CheckpointStore(tmp_path / "learn" / "checkpoints")
    newest = max(store.root.glob("epoch-000004-*.npz"))
    whole = newest.read_bytes()
    for end in range(0, len(whole), 97):
        newest.write_bytes(whole[:end])
        found = store.latest()
        assert found is not None and found.epoch == 3
    newest.write_bytes(whole)
    log = store.root / "wal.bin"
    content = log.read_bytes()
    for end in range(0, len(content), 13):
        log.write_bytes(content[:end])
        found = store.latest()
        assert found is None or found.epoch <= 4


def test_old_checkpoints_go_and_the_newest_stay(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 23)
    epochs = one.store.epochs()
    assert epochs[-1] == 23 and 5 <= len(epochs) < 10
    assert len(list(one.store.root.glob("*.npz"))) == len(epochs)


def test_a_full_disk_leaves_the_epoch_before_in_memory_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(tmp_path)
    stages(one, 5)
    before, state = arrays_of(one), one.state()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "replace_file", full)
    with pytest.raises(OSError, match="No space"):
        one.run_epoch(NIGHT)
    assert arrays_of(one) == before and one.state() == state
    assert trainer(tmp_path).state() == state
    monkeypatch.undo()
    one.run_epoch(NIGHT)
    assert one.epoch == 6


class Scripted:
    """A policy that answers what a test wants, night by night."""

    answers: list[object] = []

    def __init__(self, signer: MessageSigner, verifier: MessageVerifier) -> None:
        self.signer = signer
        self.left = list(self.answers)

    def __call__(self, packets: list[bytes]) -> bytes | None:
        answer = self.left.pop(0) if self.left else None
        if isinstance(answer, Exception):
            raise answer
        return encode_command(self.signer, answer) if isinstance(answer, AdaptationCommand) else answer  # type: ignore[return-value]


def scripted(*answers: object) -> type[Scripted]:
    return type("ScriptedHere", (Scripted,), {"answers": list(answers)})


def on_slot(action: SlotAction, slot: str = "vpd_kpa.0", blueprint: int = 1, **parameters: float) -> AdaptationCommand:
    return AdaptationCommand(slot=SlotCommand(action=action, slot=slot, blueprint=blueprint, parameters=parameters))


GERMINATE, CULL = SlotAction.SLOT_ACTION_GERMINATE, SlotAction.SLOT_ACTION_CULL


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 40,
        ValueError("a policy with a fault"),
        on_slot(GERMINATE, "nobody.0"),
        on_slot(GERMINATE, blueprint=51),
        on_slot(GERMINATE, width=float("nan")),
        on_slot(GERMINATE, width=1e9),
        on_slot(CULL),
        AdaptationCommand(),
    ],
    ids=["empty", "forged", "raises", "no such slot", "no such blueprint", "NaN", "huge", "cull nothing", "no-op"],
)
def test_an_answer_that_may_not_be_acted_on_changes_nothing(tmp_path: Path, answer: object) -> None:
    one = trainer(tmp_path, scripted(answer))
    assert stages(one, 1) == [S.DORMANT] and one.epoch == 1


def test_a_replayed_command_is_acted_on_once(tmp_path: Path) -> None:
    held: list[bytes] = []

    class Replays(Scripted):
        def __call__(self, packets: list[bytes]) -> bytes | None:
            if not held:
                held.append(encode_command(self.signer, on_slot(CULL)))
            return held[0]

    one = trainer(tmp_path, Replays)
    one.slots["vpd_kpa.0"] = type(one.slots["vpd_kpa.0"])("vpd_kpa.0", S.SHADOWING)
    assert stages(one, 1) == [S.CULLED]
    one.slots["vpd_kpa.0"] = type(one.slots["vpd_kpa.0"])("vpd_kpa.0", S.SHADOWING, entered=1)
    assert stages(one, 1) == [S.SHADOWING]


def test_a_policy_that_hangs_costs_two_seconds_at_most_and_nothing_else(tmp_path: Path) -> None:
    hold = threading.Event()

    class Hangs(Scripted):
        def __call__(self, packets: list[bytes]) -> bytes | None:
            hold.wait(10.0)
            return None

    one = trainer(tmp_path, Hangs, wait_s=0.05)
    assert stages(one, 2) == [S.DORMANT, S.DORMANT]
    assert one.figures["policy_ms"] < 40.0, "while the first call hangs nobody is asked again"
    hold.set()


def test_pause_and_conservative_mode(tmp_path: Path) -> None:
    pause = AdaptationCommand(pause=PauseCommand(epochs=2))
    emergency = AdaptationCommand(emergency=EmergencyCommand(conservative=True))
    one = trainer(tmp_path, scripted(on_slot(GERMINATE), None, pause, None, None, None))
    stages(one, 3)
    losses = list(one.learners["vpd_kpa.0"].losses)
    stages(one, 2)
    assert one.learners["vpd_kpa.0"].losses == losses, "two epochs without training"
    stages(one, 1)
    assert len(one.learners["vpd_kpa.0"].losses) > len(losses)
    other = trainer(tmp_path / "other", scripted(emergency, on_slot(GERMINATE)))
    assert stages(other, 2) == [S.DORMANT, S.DORMANT] and other.conservative


def test_the_policy_sees_every_slot_that_is_not_at_rest_in_packets_that_verify(tmp_path: Path) -> None:
    seen: list[SystemStatePacket] = []

    class Listens(Scripted):
        def __call__(self, packets: list[bytes]) -> bytes | None:
            verifier = MessageVerifier(KEYS, now_ms)
            seen.extend(verifier.parse(raw, SystemStatePacket) for raw in packets)
            return None

    policy: type[Policy] = Listens  # type: ignore[assignment]
    one = trainer(tmp_path, policy)  # type: ignore[arg-type]
    for number in range(29):
        one.register(f"soil.P{number}.0")
    one.run_epoch(NIGHT)
    assert len([slot.slot for packet in seen for slot in packet.slots]) == 30 and len(seen) > 1


def test_a_frozen_read_out_stays_as_it_was_accepted(tmp_path: Path) -> None:
    for readout, same in (("frozen", True), ("learning", False)):
        one = trainer(tmp_path / readout, settings=LearnSettings(fossil_readout=readout))  # type: ignore[arg-type]
        one.skills = GOOD
        while one.slots["vpd_kpa.0"].stage is not S.FOSSILIZED:
            one.run_epoch(NIGHT)
        before = one.learners["vpd_kpa.0"].arrays(table().typical)["leaf"].tobytes()
        one.run_epoch({"vpd_kpa": table(seed=5)})
        assert (one.learners["vpd_kpa.0"].arrays(table().typical)["leaf"].tobytes() == before) is same


def test_a_slot_in_quarantine_is_culled_while_training_is_paused_too(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 2)
    assert one.learners == {}
    for second in range(3):
        one.violations["vpd_kpa.0"].add(one._now_s() + second * 1e-3)
    assert stages(one, 1) == [S.CULLED]


def test_a_rollback_command_takes_back_what_was_learned_and_the_night_counts(tmp_path: Path) -> None:
    back = AdaptationCommand(rollback=RollbackCommand(full=False, to_epoch=5))
    one = trainer(tmp_path, scripted(on_slot(GERMINATE), *[None] * 6, back))
    stages(one, 5)
    learned = arrays_of(one)
    stages(one, 2)
    assert arrays_of(one) != learned
    stages(one, 1)
    assert arrays_of(one) == learned and one.epoch == 8
    assert trainer(tmp_path).state() == one.state(), "committed"
    gone = AdaptationCommand(rollback=RollbackCommand(full=False, to_epoch=0))
    other = trainer(tmp_path / "other", scripted(gone))
    stages(other, 1)
    assert other.epoch == 1, "a rollback that memory cannot do changes nothing"


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 0.5), (9.0, 1.0), (float("nan"), 1.0), (0.0, 1.0)])
def test_an_optimizer_command_scales_the_rate_for_some_epochs(tmp_path: Path, factor: float, expected: float) -> None:
    wanted = AdaptationCommand(optimizer=OptimizerCommand(learning_rate_factor=factor, warm_up_epochs=2))
    one = trainer(tmp_path, scripted(on_slot(GERMINATE), None, wanted, None, None, None))
    stages(one, 4)
    assert one.learners["vpd_kpa.0"].rate_factor == expected
    stages(one, 2)
    assert one.learners["vpd_kpa.0"].rate_factor == 1.0


def test_a_quarantined_slot_is_culled(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    stages(one, 3)
    for second in range(3):
        one.violations["vpd_kpa.0"].add(one._now_s() + second * 1e-3)
    assert stages(one, 1) == [S.CULLED]
