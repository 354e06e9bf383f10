"""The real firmware on the virtual board, in lock step: boots, samples, pumps, survives; the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.twin.lockstep import LockStep

from shared_schemas.devices import OUTPUT_BY_NAME, SENSOR_BY_NAME
from shared_schemas.wire.codes import EVENTS
from tests.hil.wire_host import WireHost, lock_step_host

LIGHT, PUMP = OUTPUT_BY_NAME["light"].wire_id, OUTPUT_BY_NAME["water_pump"].wire_id
LEASE_MS = 5_000
STATE_EVENT = [name for name, _, _ in EVENTS].index("state")
LEASED, SURVIVAL = 3, 4
REJECTED = 1
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
            due_ms = twin.now_ms + 2_400
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


def conversation(flash: Path, skip_idle: bool, scenario: str | None = None) -> tuple[str, str]:
    """Six minutes with pulses; hashes of all bytes the board sent with their moments, and of the true tent."""
    twin = LockStep(5, scenario, flash=flash, skip_idle=skip_idle)
    heard = hashlib.sha256()
    try:
        host = lock_step_host(twin)
        host.greet()
        for minute in range(6):
            host.command("LEASE", lease_ms=LEASE_MS)
            host.pulse(LIGHT, 50_000)
            host.pulse(PUMP, 60)
            keep_leased(twin, host, (minute + 1) * 60_000)
        for moment, message in host.heard:
            heard.update(f"{moment} {message.name} {message.fields}\n".encode())
        return heard.hexdigest(), repr(twin.world.tent.truth())
    finally:
        twin.close()


@pytest.mark.parametrize("scenario", [None, "leak@0.02+0.02", "valve_stuck@0.03+0.01"])
def test_skipping_idle_ticks_changes_no_byte(tmp_path: Path, scenario: str | None) -> None:
    skipping = conversation(tmp_path / "skip", True, scenario)
    ticking = conversation(tmp_path / "tick", False, scenario)
    assert skipping == ticking


def test_two_runs_are_the_same(tmp_path: Path) -> None:
    assert conversation(tmp_path / "a", True) == conversation(tmp_path / "b", True)


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
