"""The real firmware on a bad line: other schemas, noise, torn and strange frames, floods, a host that is deaf."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cbor2
import pytest
from tomato_host.board.protocol import encode_frame
from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import firmware_dir, micropython
from tomato_host.twin.lockstep import LockStep

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.wire import REASONS, STATUSES
from tests.hil.wire_host import FOR_EVER_MS, WireHost, lock_step_host

FAN = OUTPUT_BY_NAME["circulation_fan"].wire_id
DONE, REJECTED, ABORTED = (STATUSES.index(name) for name in ("DONE", "REJECTED", "ABORTED"))


@pytest.fixture
def twin() -> Iterator[LockStep]:
    try:
        made = LockStep(seed=4)
    except TomatoError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture
def host(twin: LockStep) -> Iterator[WireHost]:
    made = lock_step_host(twin)
    while twin.now_ms < 4_000:
        made.listen()
    yield made
    made.close()


def lease(host: WireHost) -> None:
    host.send("LEASE", lease_ms=5_000, cmd_id=host._cmd_id + 500)
    host.await_message("RESULT", cmd_id=host._cmd_id + 500)


def still_well(host: WireHost) -> None:
    """The board answers, moves an output, and never was reset."""
    host.greet()
    lease(host)
    command = host.pulse(FAN, 1_000)
    host.await_message("RESULT", cmd_id=command, status=DONE)


def test_another_schema_may_only_greet_ask_and_stop(host: WireHost, twin: LockStep) -> None:
    host.send("HELLO", schema_hash=b"otherone")
    assert len(host.await_message("HELLO").fields["schema_hash"]) == 8
    command = host.pulse(FAN, 1_000)
    said = host.await_message("RESULT", cmd_id=command).fields
    assert (said["status"], said["reason"]) == (REJECTED, REASONS.index("schema_mismatch"))
    host.send("HEALTH")
    assert host.await_message("HEALTH").fields["outputs"] == 0
    stop = host.command("STOP_ALL")
    assert host.await_message("RESULT", cmd_id=stop).fields["status"] == DONE
    still_well(host)


def test_noise_and_torn_frames_are_thrown_away_and_counted(host: WireHost, twin: LockStep) -> None:
    host.greet()
    draw = random.Random(1)
    frame = encode_frame(5, 1, 9, cbor2.dumps({1: 77, 2: FOR_EVER_MS, 3: FAN, 4: 1_000}))
    for cut in range(1, len(frame)):
        host.port.write(frame[:cut])
        host.listen()
    for _ in range(60):
        host.port.write(bytes(draw.randrange(256) for _ in range(draw.randrange(1, 200))))
        host.listen()
    host.port.write(b"\0")
    assert host.of("HEALTH") == []
    host.send("HEALTH")
    assert host.await_message("HEALTH").fields["rx_bad"] > 20
    still_well(host)
    assert twin.board.resets == []


def test_strange_but_whole_frames_are_refused_by_name(host: WireHost, twin: LockStep) -> None:
    host.greet()
    strange = {
        "unknown_type": [encode_frame(number, 1, 0, b"\xa0") for number in (0, 3, 9, 99)],
        "malformed": [
            encode_frame(5, 1, 0, b""),
            encode_frame(5, 1, 0, b"\xf7"),
            encode_frame(5, 1, 0, b"\x80"),
            encode_frame(5, 1, 0, cbor2.dumps({1: 5})),
            encode_frame(5, 1, 0, cbor2.dumps({1: True, 2: 1, 3: 0, 4: 1})),
            encode_frame(5, 1, 0, cbor2.dumps({1: 5, 2: FOR_EVER_MS, 3: FAN, 4: 1.5})),
            encode_frame(5, 1, 0, cbor2.dumps({1: 5, 2: FOR_EVER_MS, 3: FAN, 4: 2**63})),
            encode_frame(5, 1, 0, cbor2.dumps({1: 5, 2: FOR_EVER_MS, 3: FAN, 4: 100, 60: 1})),
        ],
    }
    for reason, frames in strange.items():
        for frame in frames:
            host.port.write(frame)
            said = host.await_message("RESULT").fields
            assert (said["status"], REASONS[said["reason"]]) == (REJECTED, reason), frame.hex()
    assert twin.world.outputs == 0
    still_well(host)


def test_doubled_and_reordered_commands_move_once(host: WireHost, twin: LockStep) -> None:
    host.greet()
    lease(host)
    first = encode_frame(5, 1, 1, cbor2.dumps({1: 901, 2: FOR_EVER_MS, 3: FAN, 4: 800}))
    second = encode_frame(6, 1, 2, cbor2.dumps({1: 902, 3: FAN}))
    host.port.write(second + first + first + second + first)
    # Stopping passes always, so the STOP that comes twice ends the pulse; the PULSE that comes thrice moves once.
    host.await_message("RESULT", cmd_id=901, status=ABORTED)
    for _ in range(30):
        host.listen()
    starts = [e for _, e in host.of("EVENT") if e["event"] == 2 and e["a"] == FAN]
    assert len(starts) == 1


def test_a_flood_does_not_hold_up_the_end_of_a_pulse(host: WireHost, twin: LockStep) -> None:
    host.greet()
    lease(host)
    begun = twin.now_ms
    host.pulse(FAN, 1_500)
    draw = random.Random(2)
    off_ms = 0
    while twin.now_ms < begun + 3_000:
        host.port.write(bytes(draw.randrange(1, 256) for _ in range(240)))
        host.listen()
        if not off_ms and twin.now_ms > begun + 300 and not twin.world.outputs & 1 << FAN:
            off_ms = twin.now_ms
    assert begun + 1_500 <= off_ms <= begun + 1_700
    assert twin.board.resets == []


def test_after_a_day_alone_every_retained_record_arrives_once(host: WireHost, twin: LockStep) -> None:
    host.greet()
    host.listen()
    gone_ms = twin.now_ms
    while twin.now_ms < gone_ms + 24 * 3_600_000:
        twin.advance(gone_ms + 24 * 3_600_000, host.port.bytes_written)
    host.port.read()  # what the line still held from before it fell silent
    host.heard.clear()
    host.greet()
    host.send("HEALTH")
    retained = host.await_message("HEALTH").fields["retained"]
    first, got = 0, []
    while True:
        host.heard.clear()
        host.send("BACKFILL", first_seq=first, limit=64)
        closing = host.await_message("BACKFILL").fields
        got += [(m["seq"], m["t_ms"]) for _, m in host.of("SAMPLE") if closing["first_seq"] <= m["seq"]]
        first = closing["last_seq"] + 1
        if closing["count"] < 64:
            break
    seqs = [seq for seq, _ in got]
    assert len(set(seqs)) == len(seqs)
    assert len(seqs) >= retained - 1
    assert retained > 150
    times = sorted(t for _, t in got)
    assert times[-1] - times[0] > 23 * 3_600_000, "the whole absence is covered"
    assert max(b - a for a, b in pairwise(times)) <= 640_000


DEAF = """
import sys, time
from tomato.hal.link import Link
link = Link()
link.open()
frame = bytes(200)
worst = refused = 0
for n in range(3000):
    started = time.ticks_us()
    if not link.send(frame, 200):
        refused += 1
    link.flush()
    worst = max(worst, time.ticks_diff(time.ticks_us(), started))
sys.stderr.write("%d %d %d" % (worst, refused, link.waiting()))
"""


def test_the_board_never_waits_for_a_host_that_stopped_reading() -> None:
    """600 KB for nobody: the line's buffer fills up, frames are refused, and no turn of the loop takes 50 ms."""
    try:
        program = micropython()
    except TomatoError as error:
        pytest.skip(str(error))
    master, slave = os.openpty()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "deaf.py"
        script.write_text(DEAF)
        reported = subprocess.run(
            [program, str(script)],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            timeout=60,
            env={"MICROPYPATH": f"{firmware_dir()}:.frozen"},
            check=False,
        )
    os.close(master)
    os.close(slave)
    worst_us, refused, waiting = (int(word) for word in reported.stderr.split())
    assert refused > 2_000
    assert waiting > 0
    assert worst_us < 50_000
