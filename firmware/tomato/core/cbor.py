"""CBOR (RFC 8949), the part the line needs: integers, bytes, text, arrays, maps, booleans, null, floats when reading.

Everything else is refused by name. Encoding goes in place into one reused buffer; decoding is bounded in depth and
length, so that no input, however wicked, costs more than its own bytes.
"""

import struct

MAX_DEPTH = 4

_BREAK = 0xFF


class CborError(ValueError):
    """The bytes are not CBOR, or not of the part understood here; the text names what it was."""


class Writer:
    """Writes items into `buf` from `pos` on. A full buffer raises CborError("buffer full")."""

    def __init__(self, buf):
        self.buf = buf
        self.pos = 0

    def _head(self, major, n):
        buf, at = self.buf, self.pos
        try:
            if n < 24:
                buf[at] = major | n
                self.pos = at + 1
            elif n < 0x100:
                buf[at + 1] = n
                buf[at] = major | 24
                self.pos = at + 2
            elif n < 0x10000:
                buf[at + 2] = n & 255
                buf[at + 1] = n >> 8
                buf[at] = major | 25
                self.pos = at + 3
            else:
                self._long_head(major, n)
        except IndexError:
            raise CborError("buffer full")

    def _long_head(self, major, n):
        size = 4 if n < 0x100000000 else 8
        if n >= 0x10000000000000000:
            raise CborError("integer too large")
        at = self.pos
        self.buf[at + size]  # raises when it does not fit
        self.buf[at] = major | (26 if size == 4 else 27)
        for i in range(size):
            self.buf[at + size - i] = n & 255
            n >>= 8
        self.pos = at + size + 1

    def integer(self, n):
        """A signed integer of at most 64 bits."""
        if n >= 0:
            self._head(0x00, n)
        else:
            self._head(0x20, -1 - n)

    def array(self, n):
        """The head of an array of n items, which the caller writes next."""
        self._head(0x80, n)

    def map(self, n):
        """The head of a map of n pairs, which the caller writes next."""
        self._head(0xA0, n)

    def null(self):
        """No value."""
        self._head(0xE0, 22)

    def raw(self, data, n):
        """n bytes that are CBOR already."""
        at = self.pos
        if at + n > len(self.buf):
            raise CborError("buffer full")
        for i in range(n):
            self.buf[at + i] = data[i]
        self.pos = at + n

    def put(self, value):
        """Any value of the part understood here."""
        if value is None:
            self.null()
        elif value is True or value is False:
            self._head(0xE0, 21 if value else 20)
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, str):
            data = value.encode()
            self._head(0x60, len(data))
            self.raw(data, len(data))
        elif isinstance(value, (bytes, bytearray)):
            self._head(0x40, len(value))
            self.raw(value, len(value))
        elif isinstance(value, (list, tuple)):
            self.array(len(value))
            for item in value:
                self.put(item)
        elif isinstance(value, dict):
            self.map(len(value))
            for key in value:
                self.put(key)
                self.put(value[key])
        else:
            raise CborError("cannot write " + type(value).__name__)


_SIZES = (1, 2, 4, 8)


class Reader:
    """Reads one item from bytes `start` to `end` of a buffer."""

    def __init__(self):
        self.buf = b""
        self.pos = 0
        self.end = 0

    def item(self, buf, start, end):
        """The one item that fills buf[start:end]. Raises CborError."""
        self.buf, self.pos, self.end = buf, start, end
        value = self._item(MAX_DEPTH)
        if self.pos != end:
            raise CborError("trailing bytes")
        return value

    def _argument(self, info):
        """The number that follows a head byte."""
        if info < 24:
            return info
        if info > 27:
            raise CborError("indefinite length" if info == 31 else "reserved length")
        at = self.pos
        stop = at + _SIZES[info - 24]
        if stop > self.end:
            raise CborError("truncated")
        buf, n = self.buf, 0
        while at < stop:
            n = n << 8 | buf[at]
            at += 1
        self.pos = stop
        return n

    def _item(self, depth):
        if self.pos >= self.end:
            raise CborError("truncated")
        head = self.buf[self.pos]
        self.pos += 1
        major = head >> 5
        if major == 7:
            return self._simple(head)
        n = self._argument(head & 31)
        if major == 0:
            return n
        if major == 1:
            return -1 - n
        if major == 6:
            raise CborError("tag")
        if n > self.end - self.pos:  # an item costs at least one byte: no length may promise more than there is
            raise CborError("truncated")
        if major < 4:
            return self._string(major, n)
        if depth == 0:
            raise CborError("too deep")
        return self._array(n, depth - 1) if major == 4 else self._map(n, depth - 1)

    def _string(self, major, n):
        data = bytes(self.buf[self.pos : self.pos + n])
        self.pos += n
        if major == 2:
            return data
        try:
            return data.decode()
        except ValueError:  # UnicodeError is one
            raise CborError("text is not UTF-8")

    def _array(self, n, depth):
        return [self._item(depth) for _ in range(n)]

    def _map(self, n, depth):
        out = {}
        for _ in range(n):
            key = self._item(depth)
            if not isinstance(key, (int, str)) or isinstance(key, bool):
                raise CborError("map key")
            if key in out:
                raise CborError("duplicate key")
            out[key] = self._item(depth)
        return out

    def _simple(self, head):
        if head == 0xF4:
            return False
        if head == 0xF5:
            return True
        if head == 0xF6:
            return None
        if head == 0xF9:
            return half(self._argument(25))
        if head == 0xFA or head == 0xFB:
            at = self.pos
            self._argument(head & 31)
            return struct.unpack_from(">f" if head == 0xFA else ">d", self.buf, at)[0]
        raise CborError("undefined" if head == 0xF7 else "break" if head == _BREAK else "simple value")


def half(bits):
    """The number a 16-bit IEEE 754 pattern stands for (RFC 8949, appendix D)."""
    exponent, fraction = bits >> 10 & 31, bits & 1023
    if exponent == 0:
        value = fraction / 16777216  # 2^-24
    elif exponent == 31:
        value = float("nan") if fraction else float("inf")
    else:
        value = (fraction + 1024) / 1024 * 2.0 ** (exponent - 15)
    return -value if bits & 0x8000 else value
