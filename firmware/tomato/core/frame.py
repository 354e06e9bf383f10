"""Frames on the line: 00 | COBS(version, type, session u16, seq u16, CBOR body, crc32) | 00, at most 256 bytes.

The version byte is 1 and must never become 3: a terminal's Ctrl-C (0D 03) can then not be the start of a frame.
"""

from binascii import crc32

from tomato.core import cobs

VERSION = 1
FRAME_MAX = cobs.ROOM
HEADER = 6
CRC = 4
PAYLOAD_MAX = FRAME_MAX - 3  # two zeros and one byte of stuffing (none more below 254 bytes)
BODY_MAX = PAYLOAD_MAX - HEADER - CRC


class FrameReader:
    """Finds frames in a stream of bytes. Noise is skipped up to the next zero and counted in `bad`."""

    def __init__(self):
        self.buf = bytearray(FRAME_MAX)
        self.view = memoryview(self.buf)
        self.n = 0
        self.bad = 0
        self.ready = False
        self.console_asked = False
        self.type = 0
        self.session = 0
        self.seq = 0
        self.body_end = 0

    def scan(self, data, at, n):
        """Take bytes data[at:n] up to the end of the next good frame; returns the index to go on from.

        `ready` tells whether a frame is there: its body is buf[HEADER:body_end], valid until the next call.
        """
        self.ready = False
        buf, fill = self.buf, self.n
        while at < n:
            stop = cobs.gather(data, at, n, buf, fill)
            fill = min(FRAME_MAX, fill + stop - at)
            at = stop + 1
            if stop == n:
                self.n = fill
                return n
            if data[stop]:
                self.console_asked = True  # 0D 03 between frames: mpremote asks
            elif fill:
                self._frame(fill)
            fill = 0
            if self.ready:
                break
        self.n = fill
        return at

    def _frame(self, fill):
        """Check what stands between two zeros."""
        buf = self.buf
        n = cobs.decode(buf, fill) if fill < FRAME_MAX - 1 else -1
        body_end = n - CRC
        if body_end < HEADER or buf[0] != VERSION or crc32(self.view[:body_end]) != _u32(buf, body_end):
            self.bad += 1
            return
        self.type = buf[1]
        self.session = buf[2] << 8 | buf[3]
        self.seq = buf[4] << 8 | buf[5]
        self.body_end = body_end
        self.ready = True


def _u32(buf, at):
    return buf[at] << 24 | buf[at + 1] << 16 | buf[at + 2] << 8 | buf[at + 3]


class FrameWriter:
    """Builds one frame at a time. The caller writes the body into payload[HEADER:], then calls finish."""

    def __init__(self):
        self.payload = bytearray(PAYLOAD_MAX)
        self.view = memoryview(self.payload)
        self.out = bytearray(FRAME_MAX)
        self.seq = 0

    def finish(self, type_id, session, body_end):
        """Complete the frame whose body ends at body_end; returns its length in `out`. Numbers frames by itself."""
        if body_end > HEADER + BODY_MAX:
            raise ValueError("body too long")
        p = self.payload
        p[0] = VERSION
        p[1] = type_id
        p[2] = session >> 8
        p[3] = session & 255
        p[4] = self.seq >> 8
        p[5] = self.seq & 255
        self.seq = (self.seq + 1) & 0xFFFF
        crc = crc32(self.view[:body_end])
        p[body_end] = crc >> 24 & 255
        p[body_end + 1] = crc >> 16 & 255
        p[body_end + 2] = crc >> 8 & 255
        p[body_end + 3] = crc & 255
        end = cobs.encode(p, body_end + CRC, self.out, 1)
        self.out[end] = 0
        return end + 1
