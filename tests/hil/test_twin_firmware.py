"""The real firmware on the virtual board, in lock step: boots, samples, pumps, survives; the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.params import TentParams

from shared_schemas.devices import OUTPUT_BY_NAME, SENSOR_BY_NAME
from shared_schemas.wire.codes import EVENTS
from shared_schemas.wire.configuration import CONFIG_KEYS
from tests.hil.wire_host import FOR_EVER_MS, WireHost, lock_step_host

LIGHT, PUMP = OUTPUT_BY_NAME["light"].wire_id, OUTPUT_BY_NAME["water_pump"].wire_id
LEASE_MS, LEASE_EVERY_MS = 5_000, 2_400
STATE_EVENT = [name for name, _, _ in EVENTS].index("state")
LEASED, SURVIVAL = 3, 4
REJECTED = 1
SURVIVAL_PAUSE_S = next(row for row in CONFIG_KEYS if row.name == "survival_pause_s")
REST_MS = 61_000
"""After a boot every output rests for its minimum pause."""


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[LockStep]:
    made = LockStep(3, flash=tmp_path)
    yield made
    made.close()


def leased(twin: LockStep, session: int = 1) -> WireHost:
    host = lock_step_host(twin, session)
    host.greet()
    for _ in range(20):
        host.command("LEASE", lease_ms=LEASE_MS)  # refused until the board has looked at its sensors once
        if host.await_message("RESULT").fields["status"] != REJECTED:
            return host
        again_ms = twin.now_ms + 500
        while twin.now_ms < again_ms:
            host.listen()
    raise AssertionError("the board gives no lease")


def keep_leased(twin: LockStep, host: WireHost, until_ms: int) -> None:
    due_ms = twin.now_ms
    while twin.now_ms < until_ms:
        if twin.now_ms >= due_ms:
            host.send("LEASE", lease_ms=LEASE_MS)
            due_ms = twin.now_ms + LEASE_EVERY_MS
        host.listen()


def test_it_greets_with_its_name_and_a_clock_from_zero(twin: LockStep) -> None:
    host = lock_step_host(twin)
    hello = host.greet()
    assert hello["board"] == "virtual" and hello["boot_id"] == 1 and hello["uptime_ms"] < 500
    host.close()


def test_its_drivers_read_the_simulated_chips(twin: LockStep) -> None:
    """Every sensor of the table arrives with a plausible value: the bus bytes and their checksums are right."""
    host = leased(twin)
    keep_leased(twin, host, 41_000)
    samples = host.of("SAMPLE")
    assert len(samples) >= 3 and not samples[-1][1].get("why")
    values = samples[-1][1]["values"]
    truth = twin.world.tent.truth()

    def reading(name: str) -> float:
        return float(values[SENSOR_BY_NAME[name].wire_id]) / SENSOR_BY_NAME[name].scale

    assert reading("air_temp_c") == pytest.approx(truth.air_c, abs=3.0)
    assert reading("rh_pct") == pytest.approx(truth.rh_pct, abs=15.0)
    assert reading("co2_ppm") == pytest.approx(truth.co2_ppm, abs=150.0)
    assert reading("leaf_temp_c") == pytest.approx(truth.leaf_c, abs=2.0)
    assert reading("soil_temp_c") == pytest.approx(truth.soil_c, abs=1.5)
    assert reading("soil_p1_pct") == pytest.approx(100 * truth.theta_1, abs=8.0)
    assert (reading("reservoir_ok"), reading("leak"), reading("door_open")) == (1, 0, 0)
    host.close()


def test_a_pulse_is_done_and_the_water_arrives(twin: LockStep) -> None:
    host = leased(twin)
    keep_leased(twin, host, REST_MS)
    before = twin.world.tent.truth().theta_1
    cmd = host.pulse(PUMP, 200)
    keep_leased(twin, host, twin.now_ms + 15_000)
    done = [f for _, f in host.of("RESULT") if f.get("cmd_id") == cmd and f["status"] != 0]
    assert done and done[-1]["delivered"] == pytest.approx(200, abs=12)
    assert twin.world.tent.truth().pumped_ml == pytest.approx(200, abs=12)
    assert twin.world.tent.truth().theta_1 > before + 0.01
    assert not twin.world.safety.broken()
    host.close()


def test_a_silent_host_loses_its_outputs_at_lease_end(twin: LockStep) -> None:
    host = leased(twin)
    keep_leased(twin, host, REST_MS)
    host.pulse(LIGHT, 600_000)
    keep_leased(twin, host, twin.now_ms + 1_000)
    assert twin.world.outputs == 1 << LIGHT
    last_ms = twin.now_ms
    while twin.world.outputs and twin.now_ms < last_ms + 20_000:
        host.listen()
    assert twin.now_ms - last_ms <= LEASE_MS + 200
    host.close()


def test_after_ten_minutes_alone_it_keeps_the_plant_alive(twin: LockStep) -> None:
    """The way in, the action, and the way back: SURVIVAL takes over, a returning host takes the board again."""
    host = leased(twin)
    host.close()
    alone_until_ms = twin.now_ms + 11 * 60_000
    while twin.now_ms < alone_until_ms:
        twin.advance(alone_until_ms, twin.bytes_taken)
    assert twin.world.outputs & 1 << LIGHT, "the stored programme gives light"
    host = lock_step_host(twin, session=2)
    host.greet()
    for _ in range(20):
        host.listen()
    assert (STATE_EVENT, SURVIVAL) in [(f["event"], f["b"]) for _, f in host.of("EVENT")]
    host.command("LEASE", lease_ms=LEASE_MS)
    keep_leased(twin, host, twin.now_ms + 12_000)
    assert host.of("SAMPLE")[-1][1]["state"] == LEASED
    host.close()


def conversation(
    flash: Path,
    skip_idle: bool = True,
    scenario: str | None = None,
    lookahead: bool = True,
    step_ms: int = 100,
    in_memory: bool = False,
) -> tuple[str, str]:
    """Six minutes with pulses; hashes of all bytes the board sent with their moments, and of the true tent."""
    twin = LockStep(5, scenario, flash=flash, skip_idle=skip_idle, lookahead=lookahead)
    heard = hashlib.sha256()
    try:
        host = lock_step_host(twin, step_ms=step_ms, in_memory=in_memory)
        host.greet()
        for minute in range(6):
            host.command("LEASE", lease_ms=LEASE_MS)
            host.pulse(LIGHT, 50_000)
            host.pulse(PUMP, 60)
            keep_leased(twin, host, (minute + 1) * 60_000)
        for moment, message in host.heard:
            heard.update(f"{moment} {message.name} {message.fields}\n".encode())
        truth = (twin.world.tent.truth(), twin.world.tent.plant, twin.world.safety, twin.board.resets)
        return heard.hexdigest(), repr(truth)
    finally:
        twin.close()


@pytest.mark.parametrize("scenario", [None, "leak@0.02+0.02", "valve_stuck@0.03+0.01"])
def test_skipping_idle_ticks_changes_no_byte(tmp_path: Path, scenario: str | None) -> None:
    skipping = conversation(tmp_path / "skip", True, scenario, step_ms=LEASE_EVERY_MS)
    ticking = conversation(tmp_path / "tick", False, scenario, step_ms=LEASE_EVERY_MS)
    assert skipping == ticking


@pytest.mark.parametrize(
    ("scenario", "skip_idle"),
    [
        (None, True),
        ("leak@0.02+0.02", True),
        ("valve_stuck@0.03+0.01,probe_drift@0.01+0.05", True),
        ("reservoir_empty@0.021+0.03", False),
        ("brownout@0.0301,sensor_dropout@0.05+0.02", True),  # boots between two steps of the world
        ("board_reset@0.001,link_noise@0.04+0.02", True),
    ],
)
def test_a_board_that_goes_on_alone_does_the_same_to_the_byte(
    tmp_path: Path, scenario: str | None, skip_idle: bool
) -> None:
    """Waits that are not exchanged and values that come before they are asked for are nothing the board can notice."""
    alone = conversation(tmp_path / "alone", skip_idle, scenario, step_ms=LEASE_EVERY_MS)
    asking = conversation(tmp_path / "asking", skip_idle, scenario, lookahead=False, step_ms=LEASE_EVERY_MS)
    assert alone == asking


def without_host(flash: Path, lookahead: bool) -> tuple[list[tuple[int, int]], str]:
    """A quarter of an hour, dry, with no host to hear of it: the relays (world time, outputs), and the true tent."""
    twin = LockStep(6, params=TentParams(theta_0=0.15), flash=flash, lookahead=lookahead)
    switched: list[tuple[int, int]] = []
    switch = twin.world.set_output

    def watched(wire_id: int, on: bool, t_ms: int) -> None:
        switch(wire_id, on, t_ms)
        switched.append((twin.world.now_ms, twin.world.outputs))

    twin.world.set_output = watched  # type: ignore[method-assign]  # one instance, watched by its test
    try:
        host = leased(twin)
        host.command("CONFIG", not_after_ms=FOR_EVER_MS, config_key=SURVIVAL_PAUSE_S.key, config_value=600)
        assert host.await_message("RESULT").fields["status"] != REJECTED
        while twin.now_ms < 900_000:
            twin.advance(900_000, twin.bytes_taken)
        return switched, repr(twin.world.tent.truth())
    finally:
        twin.close()


def test_a_relay_that_nobody_is_told_of_moves_at_its_moment(tmp_path: Path) -> None:
    """A pin that moves ends what the board does alone, also when no byte goes with it."""
    alone = without_host(tmp_path / "alone", lookahead=True)
    assert any(outputs >> PUMP & 1 for _, outputs in alone[0]), "survival waters"
    assert alone == without_host(tmp_path / "asking", lookahead=False)


def test_a_line_in_memory_carries_the_same_bytes_as_the_pseudo_terminal(tmp_path: Path) -> None:
    scenario = "link_noise@0.02+0.03,link_cut@0.07+0.01"
    memory = conversation(tmp_path / "memory", scenario=scenario, in_memory=True)
    terminal = conversation(tmp_path / "terminal", scenario=scenario)
    assert memory == terminal


def test_two_runs_are_the_same(tmp_path: Path) -> None:
    runs = [conversation(tmp_path / name, step_ms=LEASE_EVERY_MS, in_memory=True) for name in "ab"]
    assert runs[0] == runs[1]


def test_a_reset_keeps_the_counters(twin: LockStep) -> None:
    host = leased(twin)
    keep_leased(twin, host, REST_MS)
    host.pulse(PUMP, 200)
    keep_leased(twin, host, 2 * REST_MS)
    host.send("HEALTH")
    used = host.await_message("HEALTH").fields["day_used"]
    twin.board.power_cycle()
    host.close()
    twin.advance(twin.now_ms + 1_000, twin.bytes_taken)
    host = leased(twin, session=2)
    host.send("HEALTH")
    after = host.await_message("HEALTH").fields["day_used"]
    assert after[PUMP] >= used[PUMP] >= 150
    assert host.of("HELLO")[-1][1]["boot_id"] == 2
    host.close()
