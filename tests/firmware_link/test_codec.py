"""CBOR, stuffing and frames of the body. Runs on CPython and on the MicroPython VM from this very file."""

from tomato.core import cobs
from tomato.core.cbor import CborError, Reader, Writer
from tomato.core.frame import BODY_MAX, FRAME_MAX, HEADER, FrameReader, FrameWriter

# RFC 8949, appendix A: those of its examples that lie in the part the line needs.
VECTORS = (
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f90000", 0.0),
    ("f93c00", 1.0),
    ("fb3ff199999999999a", 1.1),
    ("f93e00", 1.5),
    ("f97bff", 65504.0),
    ("fa47c35000", 100000.0),
    ("f90001", 5.960464477539063e-8),
    ("f90400", 0.00006103515625),
    ("f9c400", -4.0),
    ("fbc010666666666666", -4.1),
    ("fb7e37e43c8800759c", 1.0e300),
    ("f97c00", float("inf")),
    ("f9fc00", float("-inf")),
    ("fa7f800000", float("inf")),
    ("fb7ff0000000000000", float("inf")),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("40", b""),
    ("4401020304", b"\1\2\3\4"),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "\u00fc"),
    ("63e6b0b4", "\u6c34"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    ("a56161614161626142616361436164614461656145", {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}),
)

# The rest of that appendix, and what is wrong by itself: each refused under its name.
REFUSED = (
    ("c249010000000000000000", "tag"),
    ("c074323031332d30332d32315432303a30343a30305a", "tag"),
    ("c11a514b67b0", "tag"),
    ("d74401020304", "tag"),
    ("d818456449455446", "tag"),
    ("f7", "undefined"),
    ("f0", "simple value"),
    ("f8ff", "simple value"),
    ("5f42010243030405ff", "indefinite length"),
    ("7f657374726561646d696e67ff", "indefinite length"),
    ("9fff", "indefinite length"),
    ("bf61610161629f0203ffff", "indefinite length"),
    ("ff", "break"),
    ("1c", "reserved length"),
    ("18", "truncated"),
    ("4401", "truncated"),
    ("9bffffffffffffffff", "truncated"),
    ("0001", "trailing bytes"),
    ("a201020103", "duplicate key"),
    ("a1800a", "map key"),
    ("a1f50a", "map key"),
    ("62c328", "text is not UTF-8"),
    ("8181818181" + "00", "too deep"),
)


def unhex(text):
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))


def read(data):
    return Reader().item(data, 0, len(data))


def wrote(value, size=300):
    buf = bytearray(size)
    writer = Writer(buf)
    writer.put(value)
    return bytes(buf[: writer.pos])


def test_rfc_vectors_are_read():
    for text, value in VECTORS:
        got = read(unhex(text))
        assert got == value and (got is value or type(got) is type(value)), (text, got)


def test_not_a_number_is_read():
    for text in ("f97e00", "fa7fc00000", "fb7ff8000000000000"):
        got = read(unhex(text))
        assert got != got, text


def test_rfc_vectors_without_floats_are_written_as_the_rfc_has_them():
    for text, value in VECTORS:
        if isinstance(value, dict):  # MicroPython keeps its own order of keys
            assert read(wrote(value)) == value
        elif not isinstance(value, float):
            assert wrote(value) == unhex(text), text


def test_everything_else_is_refused_by_name():
    for text, name in REFUSED:
        try:
            got = read(unhex(text))
        except CborError as error:
            assert str(error) == name, (text, str(error))
        else:
            raise AssertionError("read " + text + " as " + repr(got))


def test_truncated_at_every_byte_is_an_error_and_never_a_crash():
    whole = wrote({1: 2, 10: [1, -2, None, 70000, 1 << 40], 34: "0.1.0", 36: b"\0\1\2", 5: {1: True}})
    for n in range(len(whole)):
        try:
            Reader().item(whole, 0, n)
        except CborError:
            continue
        raise AssertionError(n)


def test_what_cannot_be_written_is_refused():
    for value in (1.5, object(), 1 << 64):
        try:
            wrote(value)
        except CborError:
            continue
        raise AssertionError(repr(value))


def test_a_full_buffer_is_an_error():
    for size in range(12):
        try:
            wrote({1: "abc", 2: [7, 8, 300]}, size)
        except CborError as error:
            assert str(error) == "buffer full"
        else:
            raise AssertionError(size)


def pattern(n, zero_every):
    return bytes(0 if zero_every and i % zero_every == 0 else 1 + i % 255 for i in range(n))


def test_stuffing_has_no_zero_and_comes_back():
    for n in (0, 1, 2, 100, 253):
        for zero_every in (0, 1, 2, 7, 100):
            data = pattern(n, zero_every)
            out = bytearray(FRAME_MAX + 4)
            end = cobs.encode(bytearray(data), n, out, 0)
            assert bytes(out[:end]).find(b"\0") < 0, (n, zero_every)
            assert end <= n + 1 + n // 254
            assert cobs.decode(out, end) == n
            assert bytes(out[:n]) == data


def test_both_loops_do_the_same():
    for n in (0, 1, 31, 253):
        data = bytearray(pattern(n, 5))
        one, two = bytearray(300), bytearray(300)
        end = cobs.encode(data, n, one, 1)
        assert cobs.encode_bytecode(data, n, two, 1) == end
        assert one == two
        assert cobs.decode(memoryview(one)[1:end], end - 1) == cobs.decode_bytecode(memoryview(two)[1:end], end - 1)


def test_both_ways_of_gathering_do_the_same():
    for data in (b"abc\0d", b"\0", b"", b"\r\x03x", b"a\r\x03\0", bytes(1 + i % 255 for i in range(700)) + b"\0"):
        for before in (b"", b"\r", b"ab", b"x" * 255, b"x" * 256):
            for at in range(min(3, len(data) + 1)):
                one, two = bytearray(cobs.ROOM), bytearray(cobs.ROOM)
                one[: len(before)] = two[: len(before)] = before
                stop = cobs.gather(data, at, len(data), one, len(before))
                assert stop == cobs.gather_bytecode(data, at, len(data), two, len(before)), (data[:8], before[:2], at)
                assert one == two
                assert stop == len(data) or data[stop] == 0 or (data[stop] == 3 and one[0] == 13)


def test_broken_stuffing_is_refused():
    for data in (b"\x05\x01", b"\x00", b"\x03\x01\x00", b"\xff\x01"):
        assert cobs.decode(bytearray(data), len(data)) == -1, data


def frame(body, type_id=9, session=7):
    writer = FrameWriter()
    writer.payload[HEADER : HEADER + len(body)] = body
    n = writer.finish(type_id, session, HEADER + len(body))
    return bytes(writer.out[:n])


def frames_in(data, reader=None):
    """Bodies of the frames found in a stream."""
    reader = reader or FrameReader()
    found, at = [], 0
    while at < len(data):
        at = reader.scan(data, at, len(data))
        if reader.ready:
            found.append((reader.type, reader.session, bytes(reader.buf[HEADER : reader.body_end])))
    return found


def test_a_frame_comes_through_whole_or_byte_by_byte():
    data = frame(b"\xa1\x01\x02")
    assert data[0] == 0 and data[-1] == 0 and data[1:-1].find(b"\0") < 0
    assert frames_in(data) == [(9, 7, b"\xa1\x01\x02")]
    reader, found = FrameReader(), []
    for i in range(len(data)):
        found += frames_in(data[i : i + 1], reader)
    assert found == [(9, 7, b"\xa1\x01\x02")]


def test_the_largest_body_fits_and_one_more_is_refused():
    assert len(frame(b"\1" * BODY_MAX)) <= FRAME_MAX
    assert len(frames_in(frame(b"\1" * BODY_MAX))) == 1
    try:
        frame(b"\1" * (BODY_MAX + 1))
    except ValueError:
        return
    raise AssertionError("too long a body was framed")


def test_every_flipped_bit_is_noticed():
    data = frame(b"\xa2\x01\x18\x2a\x03\x05")
    for at in range(1, len(data) - 1):
        for bit in range(8):
            spoiled = bytearray(data)
            spoiled[at] ^= 1 << bit
            assert frames_in(bytes(spoiled)) == [], (at, bit)


def test_after_any_cut_the_next_frame_is_found():
    data, good = frame(b"\xa1\x01\x02"), frame(b"\xa1\x01\x03", type_id=5)
    for cut in range(len(data)):
        assert frames_in(data[:cut] + good)[-1:] == [(5, 7, b"\xa1\x01\x03")], cut


def test_noise_of_any_length_is_skipped_and_counted():
    reader = FrameReader()
    assert frames_in(bytes(1 + i % 255 for i in range(5000)), reader) == []
    assert frames_in(b"\0" + frame(b"\xf6"), reader) == [(9, 7, b"\xf6")]
    assert reader.bad >= 1


def test_a_console_is_heard_between_frames_and_never_inside_one():
    reader = FrameReader()
    frames_in(b"\0\r\x03", reader)
    assert reader.console_asked
    for n in range(40):
        body = bytes((13, 3)) * n
        reader = FrameReader()
        assert len(frames_in(frame(body[:BODY_MAX]), reader)) == 1
        assert not reader.console_asked, n
