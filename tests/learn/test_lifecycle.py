"""The eleven stages: the table is complete, agrees with the contract, and nothing skips a stage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.learn.gates import GateVerdict, embargo_over
from tomato_host.learn.slot import GrowthSlot, IllegalStep, cull, embargo, forward, ramp, terminate

from shared_schemas.learn.lifecycle import CULLABLE, LIFECYCLE, LIVE, ROW_OF, Gate, SlotStage
from shared_schemas.learn.lifecycle_pb2 import SlotStage as WireStage
from shared_schemas.records.growth_event_v1 import GrowthGate, GrowthStage

LEGAL = {
    "DORMANT": {"GERMINATED", "TERMINATED"},
    "GERMINATED": {"TRAINING", "CULLED"},
    "TRAINING": {"BLENDING", "CULLED"},
    "BLENDING": {"SHADOWING", "CULLED"},
    "SHADOWING": {"PROBATIONARY", "CULLED"},
    "PROBATIONARY": {"FOSSILIZED", "CULLED"},
    "FOSSILIZED": {"TERMINATED"},
    "CULLED": {"EMBARGOED"},
    "EMBARGOED": {"RESETTING"},
    "RESETTING": {"DORMANT"},
    "TERMINATED": set(),
}
"""The demanded table, written out by hand."""


def passed(gate: Gate | None) -> GateVerdict | None:
    return None if gate is None else GateVerdict(gate, (), {})


def failed(gate: Gate) -> GateVerdict:
    return GateVerdict(gate, ("a condition",), {})


def test_the_table_holds_exactly_the_demanded_successors() -> None:
    assert {row.stage.name: {s.name for s in row.successors} for row in LIFECYCLE} == LEGAL
    assert [row.stage for row in LIFECYCLE] == list(SlotStage) and len(SlotStage) == 11
    assert {s.name for s in CULLABLE} == {"GERMINATED", "TRAINING", "BLENDING", "SHADOWING", "PROBATIONARY"}
    assert {s.name for s in LIVE} == {"PROBATIONARY", "FOSSILIZED"}


def test_each_of_the_six_gates_stands_before_one_stage() -> None:
    guarded = {row.gate: row.stage.name for row in LIFECYCLE if row.gate is not None}
    assert {gate.name: stage for gate, stage in guarded.items()} == {
        "G0": "DORMANT",
        "SCHEDULE": "GERMINATED",
        "G1": "TRAINING",
        "G2": "BLENDING",
        "G3": "SHADOWING",
        "G4": "PROBATIONARY",
        "EMBARGO": "EMBARGOED",
        "G5": "RESETTING",
    }


def test_stages_and_gates_are_those_of_the_messages_and_records() -> None:
    assert {f"SLOT_STAGE_{s.name}": s.value for s in SlotStage} | {"SLOT_STAGE_UNSPECIFIED": 0} == dict(
        WireStage.items()
    )
    assert set(GrowthStage.__args__) == {s.name for s in SlotStage}  # type: ignore[attr-defined]
    assert set(GrowthGate.__args__) == {g.name for g in Gate}  # type: ignore[attr-defined]


def test_a_slot_walks_the_whole_way_and_each_step_needs_its_own_gate() -> None:
    slot = GrowthSlot("vpd_kpa.0")
    for epoch, row in enumerate(LIFECYCLE[:6]):
        assert slot.stage is row.stage
        for other in set(Gate) - {row.gate}:
            with pytest.raises(IllegalStep):
                forward(slot, epoch, passed(other))
        with pytest.raises(IllegalStep):
            forward(slot, epoch, None)
        slot = forward(slot, epoch, passed(row.gate), blueprint=3)
    assert slot.stage is SlotStage.FOSSILIZED and slot.blueprint == 3 and slot.quantity == "vpd_kpa"
    slot = forward(slot, 99)
    assert slot.stage is SlotStage.TERMINATED
    with pytest.raises(IllegalStep, match="nothing follows"):
        forward(slot, 100)


@pytest.mark.parametrize("stage", sorted(CULLABLE))
def test_a_failed_gate_culls_and_the_way_back_is_embargo_and_reset(stage: SlotStage) -> None:
    gate = ROW_OF[stage].gate
    assert gate is not None
    slot = forward(GrowthSlot("a.0", stage, 7), 10, failed(gate))
    assert slot.stage is SlotStage.CULLED and slot.culled_times == 1
    slot = embargo(slot, 11, 5)
    assert slot.embargo == 16
    assert forward(slot, 15, embargo_over(15, slot.embargo)) is slot
    slot = forward(slot, 16, embargo_over(16, slot.embargo))
    assert slot.stage is SlotStage.RESETTING
    assert forward(slot, 17, failed(Gate.G5)) is slot, "a reset that is not clean is tried again"
    slot = forward(slot, 18, passed(Gate.G5))
    assert slot.stage is SlotStage.DORMANT and slot.blueprint == 0 and slot.culled_times == 1


def test_each_further_cull_doubles_the_embargo_up_to_eightfold() -> None:
    lengths = [embargo(GrowthSlot("a.0", SlotStage.CULLED, culled_times=n), 0, 5).embargo for n in range(1, 7)]
    assert lengths == [5, 10, 20, 40, 40, 40]


def test_a_failed_sanity_check_leaves_an_empty_slot_empty() -> None:
    slot = GrowthSlot("a.0")
    assert forward(slot, 1, failed(Gate.G0)) is slot


def test_the_ramp_rises_over_ten_epochs_inside_the_candidate_only() -> None:
    slot = GrowthSlot("a.0", SlotStage.BLENDING, entered=5)
    assert [ramp(slot, epoch) for epoch in (5, 9, 14, 30)] == [0.1, 0.5, 1.0, 1.0]
    assert [ramp(GrowthSlot("a.0", s), 9) for s in (SlotStage.TRAINING, SlotStage.CULLED, SlotStage.DORMANT)] == [
        0,
        0,
        0,
    ]
    assert ramp(GrowthSlot("a.0", SlotStage.PROBATIONARY), 9) == 1.0


STEPS = st.lists(st.sampled_from(["pass", "fail", "cull", "embargo", "terminate"]), max_size=60)


@given(STEPS)
def test_no_sequence_of_steps_leaves_the_table(steps: list[str]) -> None:
    slot = GrowthSlot("a.0")
    for epoch, step in enumerate(steps):
        gate = ROW_OF[slot.stage].gate
        before = slot.stage
        try:
            if step == "pass":
                slot = forward(slot, epoch, passed(gate))
            elif step == "fail":
                slot = forward(slot, epoch, failed(gate) if gate else None)
            elif step == "cull":
                slot = cull(slot, epoch)
            elif step == "embargo":
                slot = embargo(slot, epoch, 3)
            else:
                slot = terminate(slot, epoch)
        except IllegalStep:
            assert slot.stage is before
        assert slot.stage is before or slot.stage.name in LEGAL[before.name]
