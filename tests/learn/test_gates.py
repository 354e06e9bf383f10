"""Each gate lets a sound block pass, and each of its conditions alone stops one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tomato_host.learn import gates
from tomato_host.learn.gates import (
    GateVerdict,
    GradientFacts,
    ImpactFacts,
    InterfaceFacts,
    ResetFacts,
    SanityFacts,
    StabilityFacts,
)

SOUND_SANITY = SanityFacts(True, True, {"width": 16.0}, {"width": (4.0, 32.0)}, 600, 2_000)
SOUND_GRADIENT = GradientFacts(True, 0, (0.4, 0.2), (1.0, 0.8))
SOUND_STABILITY = StabilityFacts(1.0, 0.4, 0.1, (1.0, 0.98, 0.97))
SOUND_INTERFACE = InterfaceFacts(True, True, 1.2, True, True, 240, 10)
ONE_WORSE = {"a": 0.9, "b": 1.011}
SOUND_IMPACT = ImpactFacts(14, {"vpd_kpa": 0.98, "air_temp_c": 1.0}, 4.0, 18.0)


@pytest.mark.parametrize(
    "verdict",
    [
        gates.sanity(SOUND_SANITY),
        gates.place_in_schedule(1, 2),
        gates.gradient_health(SOUND_GRADIENT),
        gates.stability(SOUND_STABILITY),
        gates.interface(SOUND_INTERFACE),
        gates.system_impact(SOUND_IMPACT),
        gates.embargo_over(5, 5),
        gates.reset_complete(ResetFacts(0, 0, 0)),
    ],
    ids=lambda verdict: verdict.gate.name,
)
def test_a_sound_block_passes(verdict: GateVerdict) -> None:
    assert verdict.passed and verdict.failed == ()


@pytest.mark.parametrize(
    ("verdict", "condition"),
    [
        (gates.sanity(replace(SOUND_SANITY, slot_id_valid=False)), "slot id"),
        (gates.sanity(replace(SOUND_SANITY, blueprint_known=False)), "blueprint known"),
        (gates.sanity(replace(SOUND_SANITY, parameters={"width": math.nan})), "parameters finite"),
        (gates.sanity(replace(SOUND_SANITY, parameters={"width": 33.0})), "parameters in range"),
        (gates.sanity(replace(SOUND_SANITY, parameters={"depth": 1.0})), "parameters in range"),
        (gates.sanity(replace(SOUND_SANITY, size=2_001)), "size within budget"),
        (gates.sanity(replace(SOUND_SANITY, size=0)), "size within budget"),
        (gates.place_in_schedule(2, 2), "a place is free"),
        (gates.gradient_health(replace(SOUND_GRADIENT, attached=False)), "attached"),
        (gates.gradient_health(replace(SOUND_GRADIENT, violations=1)), "no isolation violation"),
        (gates.gradient_health(replace(SOUND_GRADIENT, gradient_norms=(0.3, 0.0))), "gradients finite and not zero"),
        (gates.gradient_health(replace(SOUND_GRADIENT, gradient_norms=(math.inf,))), "gradients finite and not zero"),
        (gates.gradient_health(replace(SOUND_GRADIENT, gradient_norms=())), "gradients finite and not zero"),
        (gates.gradient_health(replace(SOUND_GRADIENT, losses=(1.0, 0.999))), "loss falls"),
        (gates.gradient_health(replace(SOUND_GRADIENT, losses=(1.0,))), "loss falls"),
        (gates.gradient_health(replace(SOUND_GRADIENT, losses=(1.0, math.nan))), "loss falls"),
        (gates.stability(replace(SOUND_STABILITY, ramp=0.9)), "ramp complete"),
        (gates.stability(replace(SOUND_STABILITY, step_ms=25.1)), "step within budget"),
        (gates.stability(replace(SOUND_STABILITY, step_ms=5.1, expert="network")), "step within budget"),
        (gates.stability(replace(SOUND_STABILITY, forward_ms=2.1)), "forward within budget"),
        (gates.stability(replace(SOUND_STABILITY, ramp_errors=(1.0, 1.9, 0.8))), "no oscillation"),
        (gates.stability(replace(SOUND_STABILITY, ramp_errors=(1.0, math.nan))), "no oscillation"),
        (gates.interface(replace(SOUND_INTERFACE, shapes_match=False)), "shapes"),
        (gates.interface(replace(SOUND_INTERFACE, outputs_finite=False)), "outputs finite"),
        (gates.interface(replace(SOUND_INTERFACE, shift_p99=3.1)), "corrections of ordinary size"),
        (gates.interface(replace(SOUND_INTERFACE, shift_p99=math.nan)), "corrections of ordinary size"),
        (gates.interface(replace(SOUND_INTERFACE, same_as_trainer=False)), "numpy equals the trainer"),
        (gates.interface(replace(SOUND_INTERFACE, pause_resume=False)), "pause and resume"),
        (gates.interface(replace(SOUND_INTERFACE, judged_origins=47)), "48 origins on 10 days judged"),
        (gates.interface(replace(SOUND_INTERFACE, judged_days=9)), "48 origins on 10 days judged"),
        (gates.system_impact(replace(SOUND_IMPACT, epochs=13)), "long enough"),
        (
            gates.system_impact(replace(SOUND_IMPACT, error_ratio_by_quantity=ONE_WORSE)),
            "no quantity worse",
        ),
        (gates.system_impact(replace(SOUND_IMPACT, error_ratio_by_quantity={})), "no quantity worse"),
        (gates.system_impact(replace(SOUND_IMPACT, error_ratio_by_quantity={"a": 1.0})), "its quantity better"),
        (gates.system_impact(replace(SOUND_IMPACT, boundary_ms=18.1)), "boundary within budget"),
        (gates.embargo_over(4, 5), "the embargo is over"),
        (gates.reset_complete(ResetFacts(1, 0, 0)), "buffers empty"),
        (gates.reset_complete(ResetFacts(0, 1, 0)), "counters zero"),
        (gates.reset_complete(ResetFacts(0, 0, 1)), "caches clean"),
    ],
)
def test_each_condition_alone_stops_a_block(verdict: GateVerdict, condition: str) -> None:
    assert condition in verdict.failed and not verdict.passed
    assert all(math.isfinite(value) for value in verdict.figures.values())
