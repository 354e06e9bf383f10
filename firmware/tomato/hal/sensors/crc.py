"""Check sums of the parts: CRC-8 of Sensirion (0x31, init 0xFF), of SMBus (0x07) and of one-wire (0x31, reflected)."""


def crc8(data, first, count, poly, crc):
    """CRC-8, most significant bit first, over `count` bytes of `data` from `first`."""
    for i in range(first, first + count):
        crc ^= data[i]
        for _ in range(8):
            crc = (crc << 1 ^ poly) & 0xFF if crc & 0x80 else crc << 1
    return crc


def sensirion_word_ok(data, at):
    """True when the two bytes at `at` match the check sum that follows them."""
    return crc8(data, at, 2, 0x31, 0xFF) == data[at + 2]


def onewire_crc8(data, count):
    """CRC-8 of one-wire parts, least significant bit first."""
    crc = 0
    for i in range(count):
        crc ^= data[i]
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc
