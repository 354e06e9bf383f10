"""The body's session by its messages alone: greetings, strangers, other schemas, bad commands, ring and events.

Runs on CPython and on the MicroPython VM from this very file.
"""

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.cbor import Reader, Writer
from tomato.core.clock64 import Clock64
from tomato.core.frame import HEADER, FrameReader, FrameWriter
from tomato.core.ring import SampleRing
from tomato.core.sampler import SAMPLE_BODY_MAX, Sampler
from tomato.core.session import FIRMWARE, Identity, Session

from tests.firmware_core.rig import GOOD, MemoryStore

HASH = c.SCHEMA_HASH
OTHER_HASH = b"\x0b\xad\xc0\xde\x0b\xad\xc0\xde"


class Line:
    """A body and the host's hand-written side of the line."""

    def __init__(self, slots=8, readings=GOOD):
        self.core = Core(None, MemoryStore())
        self.ring = SampleRing(slots, SAMPLE_BODY_MAX)
        self.sampler = Sampler(self.core, self.ring)
        self.full = False
        self.out = bytearray()
        self.body = Session(self.core, self.sampler, self.ring, self._send, Identity(42, "bench", b"\1\2"))
        self.frames = FrameWriter()
        self.t = 0
        self.readings = readings
        self.session = 7

    def _send(self, buf, n):
        if self.full:
            return False
        self.out += bytes(buf[:n])
        return True

    def run(self, ms, step=50):
        """Let time pass."""
        end = self.t + ms
        while self.t < end:
            self.t += step
            for sensor in self.readings:
                self.core.inputs.put(sensor, self.readings[sensor], self.t)
            self.core.tick(self.t)
            if self.core.save_due:
                self.core.save(self.t)
            self.body.tick(self.t)

    def tell(self, type_id, fields, session=None):
        """Send one message; returns what the body says at once."""
        writer = Writer(self.frames.payload)
        writer.pos = HEADER
        writer.put(fields)
        n = self.frames.finish(type_id, self.session if session is None else session, writer.pos)
        self.body.feed(self.t, bytearray(self.frames.out[:n]), n)
        return self.heard()

    def heard(self):
        """Everything said since the last call: (type, session, fields)."""
        reader, said, at = FrameReader(), [], 0
        while at < len(self.out):
            at = reader.scan(self.out, at, len(self.out))
            if reader.ready:
                said.append((reader.type, reader.session, Reader().item(reader.buf, HEADER, reader.body_end)))
        self.out = bytearray()
        return said

    def hello(self, schema_hash=HASH):
        return self.tell(c.M_HELLO, {c.F_SCHEMA_HASH: schema_hash})

    def leased(self):
        """A greeted body that holds a lease, with nothing left unheard."""
        self.run(3_000)
        self.hello()
        self.tell(c.M_LEASE, {c.F_LEASE_MS: 5_000})
        self.run(100)
        self.heard()
        return self

    def reasons(self, type_id, fields):
        """(status, reason) of the results to a message."""
        return [(m[c.F_STATUS], m[c.F_REASON]) for kind, _, m in self.tell(type_id, fields) if kind == c.M_RESULT]


def kinds(said):
    return [kind for kind, _, _ in said]


def test_a_greeting_is_answered_with_who_is_there():
    line = Line()
    line.run(500)
    said = [m for m in line.hello() if m[0] == c.M_HELLO]
    assert len(said) == 1
    _, session, m = said[0]
    assert session == 7
    assert m == {
        c.F_SCHEMA_HASH: HASH,
        c.F_BOOT_ID: 42,
        c.F_FIRMWARE: FIRMWARE,
        c.F_BOARD: "bench",
        c.F_UID: b"\1\2",
        c.F_UPTIME_MS: 500,
        c.F_RESET_CAUSE: 0,
        c.F_CONFIG_CRC: line.core.config_crc,
    }


GOLDEN_HELLO = "01010007{seq}a8182048{hash}1821182a1822{firmware}18236562656e6368182442010218251901f418260018271a{crc}"
"""Version, type, session 7, then keys 32 to 39: what every future host must still be able to read. Never change it."""


def test_the_bytes_of_the_greeting_are_frozen():
    line = Line()
    line.run(500)
    line.core.configuration.crc = 0x01020304
    line.tell(c.M_HELLO, {c.F_SCHEMA_HASH: HASH})
    line.body.greeted_ms = -1_000
    writer = Writer(line.frames.payload)
    writer.pos = HEADER
    writer.put({c.F_SCHEMA_HASH: HASH})
    n = line.frames.finish(c.M_HELLO, 7, writer.pos)
    line.out = bytearray()
    line.body.feed(line.t, bytearray(line.frames.out[:n]), n)
    reader = FrameReader()
    reader.scan(line.out, 0, len(line.out))
    said = "".join(f"{byte:02x}" for byte in reader.buf[: reader.body_end])
    firmware = f"{0x60 + len(FIRMWARE):02x}" + "".join(f"{ord(ch):02x}" for ch in FIRMWARE)
    crc = "".join(f"{line.core.config_crc >> shift & 255:02x}" for shift in (24, 16, 8, 0))
    want = GOLDEN_HELLO.format(seq=said[8:12], hash="".join(f"{byte:02x}" for byte in HASH), firmware=firmware, crc=crc)
    assert said == want


def test_a_stranger_is_greeted_once_a_second():
    line = Line().leased()
    line.run(1_000)
    line.heard()
    assert kinds(line.tell(c.M_HEALTH, {}, session=9)) == [c.M_HELLO]
    assert kinds(line.tell(c.M_HEALTH, {}, session=9)) == []
    line.run(1_000)
    assert c.M_HELLO in kinds(line.tell(c.M_HEALTH, {}, session=9))


def test_another_schema_may_greet_ask_and_stop_only():
    line = Line()
    line.run(3_000)
    line.hello(OTHER_HASH)
    line.heard()
    assert line.reasons(c.M_LEASE, {}) == [(c.STATUS_REJECTED, c.R_SCHEMA_MISMATCH)]
    assert line.reasons(c.M_PULSE, {c.F_CMD_ID: 1, c.F_NOT_AFTER_MS: 9_000, c.F_OUTPUT: 1, c.F_AMOUNT: 500}) == [
        (c.STATUS_REJECTED, c.R_SCHEMA_MISMATCH)
    ]
    assert kinds(line.tell(c.M_HEALTH, {})) == [c.M_HEALTH]
    assert line.reasons(c.M_STOP_ALL, {c.F_CMD_ID: 2}) == [(c.STATUS_DONE, c.R_NONE)]
    line.run(20_000)
    assert c.M_SAMPLE not in kinds(line.heard())


def test_what_is_no_message_is_refused_and_counted():
    line = Line().leased()
    for type_id, fields in (
        (c.M_PULSE, {c.F_CMD_ID: 1}),
        (c.M_PULSE, [1, 2]),
        (c.M_HEALTH, {c.F_AMOUNT: 5}),
        (c.M_LEASE, {c.F_LEASE_MS: True}),
        (c.M_LEASE, {c.F_LEASE_MS: -1}),
        (c.M_LEASE, {c.F_LEASE_MS: "5"}),
    ):
        assert line.reasons(type_id, fields) == [(c.STATUS_REJECTED, c.R_MALFORMED)], fields
    assert line.reasons(77, {}) == [(c.STATUS_REJECTED, c.R_UNKNOWN_TYPE)]
    n = line.frames.finish(c.M_HEALTH, 7, HEADER)  # an empty body is no CBOR
    line.body.feed(line.t, bytearray(line.frames.out[:n]), n)
    assert [(m[c.F_STATUS], m[c.F_REASON]) for _, _, m in line.heard()] == [(c.STATUS_REJECTED, c.R_MALFORMED)]
    health = next(m for kind, _, m in line.tell(c.M_HEALTH, {}) if kind == c.M_HEALTH)
    assert health[c.F_RX_BAD] == 8


def test_a_repeated_command_gets_the_stored_answer():
    line = Line().leased()
    ask = {c.F_CMD_ID: 5, c.F_NOT_AFTER_MS: line.t + 1_000, c.F_OUTPUT: c.OUT_CIRCULATION_FAN, c.F_AMOUNT: 2_000}
    assert line.reasons(c.M_PULSE, ask) == [(c.STATUS_ACCEPTED, c.R_NONE)]
    line.run(3_000)
    line.tell(c.M_LEASE, {})
    assert line.reasons(c.M_PULSE, ask)[-1] == (c.STATUS_DONE, c.R_NONE)
    assert not line.core.outputs


def fans_on(cmd_id=5):
    """A leased body whose fan runs by the command `cmd_id`."""
    line = Line().leased()
    ask = {c.F_CMD_ID: cmd_id, c.F_NOT_AFTER_MS: line.t + 1_000, c.F_OUTPUT: c.OUT_CIRCULATION_FAN, c.F_AMOUNT: 600_000}
    assert line.reasons(c.M_PULSE, ask) == [(c.STATUS_ACCEPTED, c.R_NONE)]
    assert line.core.outputs
    return line, ask


def test_stopping_passes_with_a_name_that_was_used_before():
    for kind, fields in ((c.M_STOP_ALL, {}), (c.M_STOP, {c.F_OUTPUT: c.OUT_CIRCULATION_FAN})):
        line, ask = fans_on()
        fields = dict(fields)
        fields[c.F_CMD_ID] = 5
        assert line.reasons(kind, fields)[-1] == (c.STATUS_DONE, c.R_NONE)
        assert line.core.outputs == 0
        line.run(100)
        line.heard()
        assert line.reasons(c.M_PULSE, ask) == [(c.STATUS_ABORTED, c.R_STOPPED)], "the pulse keeps its own answer"
        assert line.core.outputs == 0


def test_a_repeated_stop_stops_again():
    line, ask = fans_on()
    assert line.reasons(c.M_STOP_ALL, {c.F_CMD_ID: 9}) == [(c.STATUS_DONE, c.R_NONE)]
    ask[c.F_CMD_ID] = 10
    assert line.reasons(c.M_PULSE, ask)[-1] == (c.STATUS_ACCEPTED, c.R_NONE)
    assert line.reasons(c.M_STOP_ALL, {c.F_CMD_ID: 9})[-1] == (c.STATUS_DONE, c.R_NONE)
    assert line.core.outputs == 0


def test_stop_all_passes_whatever_its_body_holds_or_lacks():
    for fields in ({}, {c.F_CMD_ID: 0}, {c.F_CMD_ID: True}, {c.F_CMD_ID: "x"}, {c.F_AMOUNT: 3}, [1], None, 7):
        line, _ = fans_on()
        line.tell(c.M_STOP_ALL, fields)
        assert line.core.outputs == 0, fields
    line, _ = fans_on()
    n = line.frames.finish(c.M_STOP_ALL, 7, HEADER)  # an empty body is no CBOR
    line.body.feed(line.t, bytearray(line.frames.out[:n]), n)
    assert line.core.outputs == 0
    assert line.body.reader.bad == 1
    line, _ = fans_on()
    line.tell(c.M_STOP_ALL, {}, session=99)
    assert line.core.outputs == 0, "another host's stop stops, too"


def test_an_expired_command_moves_nothing_ever():
    line = Line().leased()
    ask = {c.F_CMD_ID: 6, c.F_NOT_AFTER_MS: line.t - 1, c.F_OUTPUT: c.OUT_CIRCULATION_FAN, c.F_AMOUNT: 2_000}
    assert line.reasons(c.M_PULSE, ask) == [(c.STATUS_REJECTED, c.R_EXPIRED)]
    ask[c.F_NOT_AFTER_MS] = line.t + 5_000
    assert line.reasons(c.M_PULSE, ask) == [(c.STATUS_REJECTED, c.R_EXPIRED)], "the same name, the same answer"
    assert not line.core.outputs


def test_results_that_found_no_room_come_later():
    line = Line().leased()
    line.full = True
    line.tell(c.M_PULSE, {c.F_CMD_ID: 8, c.F_NOT_AFTER_MS: line.t + 900, c.F_OUTPUT: 1, c.F_AMOUNT: 500})
    line.run(1_000)
    assert line.body.tx_dropped > 0
    assert line.body.next_due_ms(line.t) <= line.t + 10
    line.full = False
    line.run(50)
    assert [m[c.F_STATUS] for kind, _, m in line.heard() if kind == c.M_RESULT] == [c.STATUS_ACCEPTED, c.STATUS_DONE]


def test_sampling_can_be_set_and_a_lease_refused_without_a_name():
    line = Line().leased()
    assert line.reasons(c.M_SET_SAMPLING, {c.F_CMD_ID: 3, c.F_PERIOD_MS: 1_000}) == [(c.STATUS_DONE, c.R_NONE)]
    line.run(5_000)
    assert kinds(line.heard()).count(c.M_SAMPLE) >= 5
    line.core.inputs.estop = 1
    line.run(300)
    line.heard()
    assert line.core.state == c.STATE_FAULT
    assert all(status == c.STATUS_REJECTED for status, _ in line.reasons(c.M_LEASE, {}))


def test_a_new_pace_gives_no_second_sample_of_the_same_moment():
    line = Line().leased()
    sampler = line.body.sampler
    sampler.take(line.t)
    sampler.set_period(line.t, 1_000)
    assert not sampler.due(line.t) and sampler.due(line.t + 1_000)


def test_four_timestamps():
    line = Line().leased()
    ((_, _, m),) = line.tell(c.M_TIME, {c.F_T1_MS: 1 << 40})
    assert m == {c.F_T1_MS: 1 << 40, c.F_T2_MS: line.t, c.F_T3_MS: line.t}


def test_events_are_repeated_until_acknowledged():
    line = Line().leased()
    line.run(6_000)
    first = [m[c.F_SEQ] for kind, _, m in line.heard() if kind == c.M_EVENT]
    assert first, "told again"
    line.tell(c.M_LEASE, {})
    line.tell(c.M_ACK_UPTO, {c.F_EVENTS_UP_TO: line.core.events.next_seq - 1})
    line.heard()
    line.run(6_000)
    later = [m[c.F_SEQ] for kind, _, m in line.heard() if kind == c.M_EVENT]
    assert not set(later) & set(first)


def test_half_a_frame_is_given_up():
    line = Line().leased()
    line.body.feed(line.t, bytearray(b"\0\5\1"), 3)
    assert line.body.next_due_ms(line.t) <= line.t + 501
    line.run(600)
    assert line.body.reader.n == 0 and line.body.reader.bad == 1


def test_the_console_is_noticed():
    line = Line().leased()
    line.body.feed(line.t, bytearray(b"\r\x03"), 2)
    assert line.body.console_asked


def test_while_alone_samples_are_kept_and_thinned_and_all_are_handed_over_once():
    line = Line(slots=8)
    line.run(10_000 * 41, step=1_000)
    assert line.ring.stride > 1 and line.ring.lost > 0
    kept = [line.ring.seq_at(i) for i in range(line.ring.count)]
    assert kept == sorted(kept) and kept[-1] - kept[0] > 24, "the whole absence stays covered"
    line.hello()
    line.tell(c.M_BACKFILL, {c.F_FIRST_SEQ: 0, c.F_LIMIT: 64})
    line.run(2_000)
    said = line.heard()
    got = [m[c.F_SEQ] for kind, _, m in said if kind == c.M_SAMPLE]
    assert sorted(set(got)) == kept and len(got) == len(kept)
    closing = [m for kind, _, m in said if kind == c.M_BACKFILL]
    assert closing[0][c.F_COUNT] == len(kept)
    line.tell(c.M_ACK_UPTO, {c.F_UP_TO: closing[0][c.F_LAST_SEQ]})
    assert line.ring.count == 0 and line.ring.stride == 1


def test_a_backlog_waits_for_room_and_ends_at_its_limit():
    line = Line(slots=16)
    line.run(10_000 * 9, step=1_000)
    line.hello()
    line.full = True
    line.tell(c.M_BACKFILL, {c.F_FIRST_SEQ: 2, c.F_LIMIT: 3})
    line.run(200)
    assert line.body.next_due_ms(line.t) <= line.t + 10
    line.full = False
    line.run(500)
    said = line.heard()
    assert [m[c.F_SEQ] for kind, _, m in said if kind == c.M_SAMPLE][:3] == [2, 3, 4]
    assert [(m[c.F_FIRST_SEQ], m[c.F_LAST_SEQ], m[c.F_COUNT]) for kind, _, m in said if kind == c.M_BACKFILL] == [
        (2, 4, 3)
    ]


def test_a_ring_of_equal_numbers_lets_the_oldest_go():
    ring = SampleRing(2, 4)
    for seq in (0, 1 << 20):
        assert ring.put(seq, b"ab", 2)
    assert ring.put(1 << 21, b"cd", 2)
    assert [ring.seq_at(i) for i in range(ring.count)] == [1 << 20, 1 << 21]
    assert ring.lost == 1


def test_thinning_may_leave_the_very_sample_out():
    ring = SampleRing(2, 4)
    ring.put(0, b"a", 1)
    ring.put(1, b"b", 1)
    assert not ring.put(3, b"c", 1)
    assert ring.lost == 2 and ring.count == 1


def test_readings_without_a_value_say_why():
    line = Line(readings={c.S_AIR_TEMP_C: 2_150})
    line.run(3_000)
    line.hello()
    line.heard()
    line.core.inputs.lost(c.S_RH_PCT, c.WHY_BAD_CRC, line.t)
    line.core.inputs.put(c.S_CO2_PPM, 500, 0)
    line.run(8_000)
    line.tell(c.M_HEALTH, {})
    line.core.inputs.valid[c.S_CO2_PPM] = 1
    line.core.inputs.t_ms[c.S_CO2_PPM] = line.t - c.SENSOR_MAX_AGE_MS - 10_000
    line.run(10_000)
    samples = [m for kind, _, m in line.heard() if kind == c.M_SAMPLE]
    last = samples[-1]
    assert last[c.F_VALUES][c.S_AIR_TEMP_C] == 2_150
    assert last[c.F_VALUES][c.S_RH_PCT] is None
    assert last[c.F_WHY][c.S_RH_PCT] == c.WHY_BAD_CRC
    assert last[c.F_WHY][c.S_CO2_PPM] == c.WHY_STALE
    assert last[c.F_WHY][c.S_LEAF_TEMP_C] == c.WHY_NEVER_READ


def test_a_host_that_fell_silent_is_sent_nothing():
    line = Line().leased()
    line.run(16_000)
    line.heard()
    line.run(30_000)
    assert line.heard() == []
    assert line.ring.count > 3


def test_the_wrapping_counter_becomes_a_count_that_does_not():
    wrap = 1 << 30
    clock = Clock64(wrap - 100)
    assert clock.update(wrap - 50) == 50
    assert clock.update(10) == 110
    assert clock.update((10 + (1 << 29) - 1) % wrap) == 110 + (1 << 29) - 1
    assert clock.update((4 + (1 << 29)) % wrap) == 110 + (1 << 29) - 1, "a step back does not move time"


def test_events_that_found_no_room_are_told_later_and_lost_ones_are_counted():
    line = Line().leased()
    events = line.core.events
    for i in range(events.slots + 3):
        events.push(line.t, c.EV_BUTTON, i, 0)
    assert events.lost >= 3
    line.full = True
    line.tell(c.M_LEASE, {})
    line.run(100)
    line.full = False
    line.tell(c.M_LEASE, {})
    line.run(2_000)
    told = [m[c.F_A] for kind, _, m in line.heard() if kind == c.M_EVENT and m[c.F_EVENT] == c.EV_BUTTON]
    assert told[-1] == events.slots + 2
    assert told == sorted(told)


def test_the_end_of_a_backlog_waits_for_room():
    line = Line().leased()
    line.tell(c.M_BACKFILL, {c.F_FIRST_SEQ: 1 << 20, c.F_LIMIT: 1})
    line.full = True
    line.run(50)
    line.full = False
    line.run(50)
    assert c.M_BACKFILL in kinds(line.heard())


def test_the_next_due_moment_is_the_next_sample_when_nothing_else_waits():
    line = Line()
    line.run(3_000)
    assert line.body.next_due_ms(line.t) == line.sampler.next_ms, "nobody listens"
    line.leased()
    line.tell(c.M_ACK_UPTO, {c.F_EVENTS_UP_TO: line.core.events.next_seq - 1})
    assert line.body.next_due_ms(line.t) == line.sampler.next_ms, "all is told"


def test_a_lease_that_is_refused_is_told_although_it_has_no_name():
    line = Line()
    line.run(100)
    line.hello()
    line.heard()
    assert line.core.state == c.STATE_SAFE
    ((_, _, m),) = [row for row in line.tell(c.M_LEASE, {}) if row[0] == c.M_RESULT]
    assert (m[c.F_STATUS], m[c.F_REASON], m[c.F_T_MS]) == (c.STATUS_REJECTED, c.R_STATE, line.t)
    assert c.F_CMD_ID not in m


def test_a_ring_that_is_acknowledged_in_part_keeps_its_stride():
    ring = SampleRing(4, 4)
    for seq in range(4):
        ring.put(seq, b"a", 1)
    ring.stride = 2
    ring.ack(1)
    assert (ring.count, ring.stride, ring.seq_at(0)) == (2, 2, 2)
    ring.ack(3)
    assert (ring.count, ring.stride) == (0, 1)
