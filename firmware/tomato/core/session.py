"""Speaks the wire: frames in, commands to the core, results, samples and events out. Decides nothing itself.

What it needs of the core (`core.board.Core`):
    command(now_ms, msg) -> {F_STATUS, F_REASON, F_DELIVERED, perhaps F_CONFIG_VALUE}; msg: integer keys and F_TYPE
    next_result() -> None, or a finished pulse {F_CMD_ID, F_STATUS, F_REASON, F_DELIVERED, F_OUTPUT}
    health(now_ms) -> {F_...}; events (EventRing); inputs, outputs, state; config_crc
`send(buf, n)` returns False when the line has no room; then nothing was sent and nothing is lost: results and events
are repeated, samples stay in the ring.
"""

from tomato import contract as c
from tomato.core.cbor import CborError, Reader, Writer
from tomato.core.clock64 import EPOCH_MS, shifted
from tomato.core.frame import HEADER, FrameReader, FrameWriter
from tomato.core.results import Results
from tomato.core.wellformed import check_message

HOST_GONE_MS = 15_000  # no good frame for this long: keep samples instead of sending them
FRAME_PAUSE_MS = 500  # a frame that stops half-way is noise
EVENT_REPEAT_MS = 5_000
BACKLOG_PER_TICK = 4  # live before backlog: a tick never carries more than this
FIRMWARE = c.FIRMWARE_VERSION


class Identity:
    """Who this board is; sent in HELLO."""

    def __init__(self, boot_id=0, board="virtual", uid=b"", reset_cause=0, firmware=FIRMWARE):
        self.boot_id = boot_id
        self.board = board
        self.uid = uid
        self.reset_cause = reset_cause
        self.firmware = firmware


class Session:
    """One line to one host. `feed` takes bytes, `tick` sends what is due; `console_asked` when mpremote asks for it."""

    def __init__(self, core, sampler, ring, send, identity=None):
        self.core = core
        self.sampler = sampler
        self.ring = ring
        self.send = send
        self.identity = identity or Identity()
        self.reader = FrameReader()
        self.frames = FrameWriter()
        self.cbor_in = Reader()
        self.cbor_out = Writer(self.frames.payload)
        self.results = Results()
        self.pending = []  # results the line had no room for
        self.session = 0
        self.same_schema = False
        self.heard_ms = -HOST_GONE_MS
        self.fed_ms = 0
        self.greeted_ms = -1_000
        self.tx_dropped = 0
        self.heap_free = 0  # after the last collection: without one, garbage counts as used
        self.console_asked = False
        self.event_seq = 0  # next event to send
        self.event_ms = 0
        self.backlog_from = -1  # -1: no BACKFILL running
        self.backlog_next = 0
        self.backlog_left = 0
        self.backlog_count = 0
        self.handlers = {
            c.M_HEALTH: self._health,
            c.M_TIME: self._time,
            c.M_BACKFILL: self._backfill,
            c.M_ACK_UPTO: self._ack,
        }

    def shift(self, by_ms):
        """A new epoch has begun: see clock64."""
        self.heard_ms = shifted(self.heard_ms, by_ms)
        self.fed_ms = shifted(self.fed_ms, by_ms)
        self.greeted_ms = shifted(self.greeted_ms, by_ms)
        self.event_ms = shifted(self.event_ms, by_ms)

    # --- bytes in

    def feed(self, now_ms, buf, n):
        """Take n bytes from the line."""
        self.fed_ms = now_ms
        reader, at = self.reader, 0
        while at < n:
            at = reader.scan(buf, at, n)
            if reader.ready:
                self._frame(now_ms)
            elif reader.console_asked:
                self.console_asked = True
                reader.console_asked = False

    def _frame(self, now_ms):
        reader = self.reader
        type_id = reader.type
        try:
            msg = self.cbor_in.item(reader.buf, HEADER, reader.body_end)
        except CborError:
            msg = None
        wrong = check_message(type_id, msg)
        if type_id == c.M_STOP_ALL:
            # The check sum is right and the type says stop: whatever the body holds or lacks, everything stops.
            reader.bad += 1 if wrong else 0
            self._stop(now_ms, {} if wrong else msg)
        elif wrong:
            reader.bad += 1
            self._refuse(now_ms, msg, wrong)
        elif type_id == c.M_HELLO:
            self._hello(now_ms, msg)
        elif reader.session != self.session:
            self._other_session(now_ms)
        elif not self.same_schema and not c.TO_BOARD[type_id][2]:
            self._refuse(now_ms, msg, c.R_SCHEMA_MISMATCH)
        else:
            self.heard_ms = now_ms
            handler = self.handlers.get(type_id)
            if handler:
                handler(now_ms, msg)
            else:
                self._command(now_ms, type_id, msg)

    def _hello(self, now_ms, msg):
        self.session = self.reader.session
        self.same_schema = msg[c.F_SCHEMA_HASH] == c.SCHEMA_HASH
        self.heard_ms = now_ms
        self.event_seq = 0  # whatever is still retained is told again
        self.backlog_from = -1
        self._greet(now_ms)

    def _other_session(self, now_ms):
        """A frame of another session: this board was reset, or the host was. Say hello, at most once a second."""
        if now_ms - self.greeted_ms >= 1_000:
            self._greet(now_ms)

    def _greet(self, now_ms):
        self.greeted_ms = now_ms
        who = self.identity
        w = self._body()
        w.map(8)
        for key, value in (
            (c.F_SCHEMA_HASH, c.SCHEMA_HASH),
            (c.F_BOOT_ID, who.boot_id),
            (c.F_FIRMWARE, who.firmware),
            (c.F_BOARD, who.board),
            (c.F_UID, who.uid),
            (c.F_UPTIME_MS, self.core.board_ms(now_ms)),
            (c.F_RESET_CAUSE, who.reset_cause),
            (c.F_CONFIG_CRC, self.core.config_crc),
        ):
            w.integer(key)
            w.put(value)
        self._post(c.M_HELLO)

    # --- commands

    def _stop(self, now_ms, msg):
        """STOP_ALL and STOP are carried out every time: a cmd_id known from before, even another command's, holds
        nothing back. Ending what has ended already does no harm; a stop that is swallowed does."""
        if self.reader.session == self.session:
            self.heard_ms = now_ms
        msg[c.F_TYPE] = self.reader.type
        answer = self.core.command(now_ms, msg)
        cmd_id = msg.get(c.F_CMD_ID)
        if cmd_id is None:
            return
        answer[c.F_CMD_ID] = cmd_id
        answer[c.F_T_MS] = now_ms
        if c.F_OUTPUT in msg:
            answer[c.F_OUTPUT] = msg[c.F_OUTPUT]
        if self.results.find(cmd_id) is None:
            self.results.keep(answer)
        self._send_result(answer)

    def _command(self, now_ms, type_id, msg):
        if type_id == c.M_STOP:
            self._stop(now_ms, msg)
            return
        cmd_id = msg.get(c.F_CMD_ID)
        stored = self.results.find(cmd_id) if cmd_id is not None else None
        if stored:
            self._send_result(stored)
            return
        if c.F_NOT_AFTER_MS in msg:
            msg[c.F_NOT_AFTER_MS] = self.core.own_ms(msg[c.F_NOT_AFTER_MS])
        if msg.get(c.F_NOT_AFTER_MS, now_ms) < now_ms:
            self._refuse(now_ms, msg, c.R_EXPIRED)
            return
        if type_id == c.M_SET_SAMPLING:
            self.sampler.set_period(now_ms, msg[c.F_PERIOD_MS])
            answer = {c.F_STATUS: c.STATUS_DONE, c.F_REASON: c.R_NONE, c.F_DELIVERED: 0}
        else:
            msg[c.F_TYPE] = type_id
            answer = self.core.command(now_ms, msg)
        if cmd_id is not None:
            answer[c.F_CMD_ID] = cmd_id
            for key in (c.F_OUTPUT, c.F_CONFIG_KEY):
                if key in msg:
                    answer[key] = msg[key]
            self._keep_and_send(now_ms, answer)
        elif answer[c.F_STATUS] == c.STATUS_REJECTED:
            answer[c.F_T_MS] = self.core.board_ms(now_ms)
            self._send_result(answer)

    def _refuse(self, now_ms, msg, reason):
        """Say no. A command that names itself gets its refusal remembered, unless two schemas might mean two things."""
        answer = {c.F_STATUS: c.STATUS_REJECTED, c.F_REASON: reason, c.F_DELIVERED: 0}
        cmd_id = msg.get(c.F_CMD_ID) if isinstance(msg, dict) else None
        if isinstance(cmd_id, int) and not isinstance(cmd_id, bool) and 0 < cmd_id < 1 << 30:
            answer[c.F_CMD_ID] = cmd_id
            if reason == c.R_EXPIRED:
                self._keep_and_send(now_ms, answer)
                return
        answer[c.F_T_MS] = self.core.board_ms(now_ms)
        self._send_result(answer)

    def _keep_and_send(self, now_ms, answer):
        answer[c.F_T_MS] = self.core.board_ms(now_ms)
        self.results.keep(answer)
        self._send_result(answer)

    def _send_result(self, answer):
        """Send a RESULT, or keep it for the next tick."""
        self._body().put(answer)
        if not self._post(c.M_RESULT) and len(self.pending) < 32:
            self.pending.append(answer)

    # --- requests

    def _health(self, now_ms, _msg):
        answer = self.core.health(now_ms)
        answer[c.F_RX_BAD] = self.reader.bad
        answer[c.F_TX_DROPPED] = self.tx_dropped
        answer[c.F_RETAINED] = self.ring.count
        answer[c.F_LOST] = self.ring.lost
        answer[c.F_EVENTS_LOST] = self.core.events.lost
        answer[c.F_HEAP_FREE] = self.heap_free
        self._body().put(answer)
        self._post(c.M_HEALTH)

    def _time(self, now_ms, msg):
        board_ms = self.core.board_ms(now_ms)
        self._body().put({c.F_T1_MS: msg[c.F_T1_MS], c.F_T2_MS: board_ms, c.F_T3_MS: board_ms})
        self._post(c.M_TIME)

    def _backfill(self, _now_ms, msg):
        self.backlog_from = self.backlog_next = msg[c.F_FIRST_SEQ]
        self.backlog_left = msg[c.F_LIMIT]
        self.backlog_count = 0

    def _ack(self, _now_ms, msg):
        if c.F_UP_TO in msg:
            self.ring.ack(msg[c.F_UP_TO])
        if c.F_EVENTS_UP_TO in msg:
            self.core.events.ack(msg[c.F_EVENTS_UP_TO])

    # --- what is due

    def online(self, now_ms):
        """True while a host of the same schema is heard."""
        return self.same_schema and now_ms - self.heard_ms < HOST_GONE_MS

    def tick(self, now_ms):
        """Take a sample when due; send results, events, backlog - in this order of urgency, live before backlog."""
        reader = self.reader
        if reader.n and now_ms - self.fed_ms > FRAME_PAUSE_MS:
            reader.n = 0
            reader.bad += 1
        self._finished(now_ms)
        online = self.online(now_ms)
        if self.sampler.due(now_ms):
            n = self.sampler.take(now_ms)
            if online:
                self._raw(self.sampler.body, n)
        if online:
            self._events(now_ms)
            if self.backlog_from >= 0:
                self._backlog()

    def next_due_ms(self, now_ms):
        """When `tick` has something to do, if nothing arrives before."""
        due = self.sampler.next_ms
        if self.reader.n:
            due = min(due, self.fed_ms + FRAME_PAUSE_MS + 1)
        if self.online(now_ms):
            events = self.core.events
            if self.backlog_from >= 0 or self.pending:
                due = min(due, now_ms + 10)
            elif events.count:
                due = min(due, now_ms if events.next_seq > self.event_seq else self.event_ms + EVENT_REPEAT_MS)
        return due

    def _finished(self, now_ms):
        """Results the line had no room for, then pulses that have ended since."""
        while self.pending:
            self._body().put(self.pending[0])
            if not self._post(c.M_RESULT):
                break
            self.pending.pop(0)
        while True:
            answer = self.core.next_result()
            if answer is None:
                return
            self._keep_and_send(now_ms, answer)

    def _events(self, now_ms):
        events = self.core.events
        if not events.count:
            return
        if self.event_seq >= events.next_seq:
            if now_ms - self.event_ms < EVENT_REPEAT_MS:
                return
            self.event_seq = 0
        oldest = events.at(0)[0]
        at = max(0, self.event_seq - oldest)
        for i in range(at, min(events.count, at + BACKLOG_PER_TICK)):
            seq, t_ms, kind, a, b = events.at(i)
            t_ms += events.epoch_at(i) * EPOCH_MS
            self._body().put({c.F_SEQ: seq, c.F_T_MS: t_ms, c.F_EVENT: kind, c.F_A: a, c.F_B: b})
            if not self._post(c.M_EVENT):
                return
            self.event_seq = seq + 1
            self.event_ms = now_ms

    def _backlog(self):
        """A few retained samples; the closing BACKFILL when all asked for are out."""
        ring = self.ring
        for _ in range(BACKLOG_PER_TICK):
            i = ring.find(self.backlog_next)
            if i == ring.count or self.backlog_left == 0:
                last = self.sampler.seq - 1 if i == ring.count else self.backlog_next - 1
                self._body().put(
                    {c.F_FIRST_SEQ: self.backlog_from, c.F_LAST_SEQ: max(0, last), c.F_COUNT: self.backlog_count}
                )
                if self._post(c.M_BACKFILL):
                    self.backlog_from = -1
                return
            body = ring.body_at(i)
            if not self._raw(body, len(body)):
                return
            self.backlog_next = ring.seq_at(i) + 1
            self.backlog_left -= 1
            self.backlog_count += 1

    # --- bytes out

    def _body(self):
        self.cbor_out.pos = HEADER
        return self.cbor_out

    def _raw(self, body, n):
        self._body().raw(body, n)
        return self._post(c.M_SAMPLE)

    def _post(self, type_id):
        """Close the frame and hand it over. False when the line had no room."""
        n = self.frames.finish(type_id, self.session, self.cbor_out.pos)
        if self.send(self.frames.out, n):
            return True
        self.tx_dropped += 1
        return False
