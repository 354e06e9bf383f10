"""The simulated I2C chips of the virtual board: they answer the bytes of the real parts, checksums and waits included.

Sources: Sensirion SHT4x and SCD4x data sheets (CRC-8 0x31, init 0xFF), Melexis MLX90614 data sheet (SMBus PEC, 0x07),
Rohm BH1750FVI data sheet (measurement modes, MTreg). Values come from the twin through `vm_channel.values()`.
"""

import vm_channel

EIO = 5
ENODEV = 19

# Places in the block of values (twin/vm_channel.py names them).
AIR_MC, RH_MPCT, CO2_DPPM, LEAF_MC, CASE_MC, LUX_D = 0, 1, 2, 3, 4, 5
SCD_MC, SCD_MPCT, ABSENT = 11, 12, 15
ABSENT_SHT, ABSENT_SCD, ABSENT_MLX, ABSENT_BH = 1, 2, 4, 8
CORRUPT_SHIFT = 8


def crc8(data, poly, crc):
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ poly if crc & 0x80 else crc << 1
            crc &= 0xFF
    return crc


def _word(raw):
    raw = 0 if raw < 0 else 65535 if raw > 65535 else raw
    body = bytes((raw >> 8, raw & 0xFF))
    return body + bytes((crc8(body, 0x31, 0xFF),))


class Chip:
    """Bus behaviour shared by all: absent chips do not acknowledge, a corrupting line spoils one byte."""

    bit = 0

    def present(self):
        return not vm_channel.values()[ABSENT] & self.bit

    def write(self, data):
        if not self.present():
            raise OSError(ENODEV)
        self.command(data)

    def read(self, n):
        if not self.present():
            raise OSError(ENODEV)
        answer = self.answer(n)
        if vm_channel.values()[ABSENT] & (self.bit << CORRUPT_SHIFT):
            answer = answer[:-1] + bytes((answer[-1] ^ 0x41,))
        return (answer + b"\xff" * n)[:n]


class Sht4xChip(Chip):
    """Temperature and humidity; a read before the conversion ends is not acknowledged."""

    bit = ABSENT_SHT
    _MS = {0xFD: 9, 0xF6: 5, 0xE0: 2}

    def __init__(self):
        self._ready_ms = -1
        self._answer = b""

    def command(self, data):
        code = data[0]
        self._ready_ms = -1
        if code in self._MS:
            v = vm_channel.values()
            self._answer = _word((v[AIR_MC] + 45000) * 65535 // 175000) + _word((v[RH_MPCT] + 6000) * 65535 // 125000)
            self._ready_ms = vm_channel.now_ms + self._MS[code]
        elif code == 0x89:
            self._answer = _word(0x0F4A) + _word(0x2B11)
            self._ready_ms = vm_channel.now_ms
        elif code != 0x94:
            raise OSError(EIO)

    def answer(self, n):
        if self._ready_ms < 0 or vm_channel.now_ms < self._ready_ms:
            raise OSError(EIO)
        return self._answer


class Scd4xChip(Chip):
    """CO2; a new value every 5 s in periodic mode, every 30 s in the low-power mode."""

    bit = ABSENT_SCD

    def __init__(self):
        self._period_ms = 0
        self._next_ms = -1
        self._answer = b""

    def _fresh(self):
        return self._period_ms and vm_channel.now_ms >= self._next_ms

    def command(self, data):
        code = data[0] << 8 | data[1]
        self._answer = b""
        if code == 0x21B1 or code == 0x21AC:
            self._period_ms = 5000 if code == 0x21B1 else 30000
            self._next_ms = vm_channel.now_ms + self._period_ms
        elif code == 0x219D:
            self._period_ms = 5000
            self._next_ms = vm_channel.now_ms + 5000
        elif code == 0x3F86:
            self._period_ms = 0
        elif code == 0xE4B8:
            self._answer = _word(0x8006 if self._fresh() else 0x8000)
        elif code == 0xEC05:
            if not self._fresh():
                raise OSError(EIO)
            v = vm_channel.values()
            self._next_ms = vm_channel.now_ms + self._period_ms - (vm_channel.now_ms - self._next_ms) % self._period_ms
            self._answer = (
                _word((v[CO2_DPPM] + 5) // 10)
                + _word((v[SCD_MC] + 45000) * 65535 // 175000)
                + _word(v[SCD_MPCT] * 65535 // 100000)
            )
        elif code == 0x3682:
            self._answer = _word(0xF896) + _word(0x9F07) + _word(0x3BBE)
        elif code == 0x2313:
            self._answer = _word(1)

    def answer(self, n):
        if not self._answer:
            raise OSError(EIO)
        return self._answer


class Mlx90614Chip(Chip):
    """Infrared thermometer on SMBus: a register read returns low byte, high byte, PEC."""

    bit = ABSENT_MLX
    address = 0x5A

    def __init__(self):
        self._register = 0x07

    def command(self, data):
        self._register = data[0]

    def answer(self, n):
        register = self._register
        milli_c = vm_channel.values()[LEAF_MC if register in (0x07, 0x08) else CASE_MC]
        raw = (milli_c + 273150 + 10) // 20
        body = bytes((raw & 0xFF, raw >> 8))
        pec = crc8(bytes((self.address << 1, register, self.address << 1 | 1)) + body, 0x07, 0)
        return body + bytes((pec,))


class Bh1750Chip(Chip):
    """Illuminance; a count is 1/1.2 lx at the default measurement time of 69."""

    bit = ABSENT_BH

    def __init__(self):
        self._on = False
        self._mode = 0
        self._mt = 69
        self._ready_ms = -1

    def command(self, data):
        code = data[0]
        if code == 0x00:
            self._on = False
        elif code == 0x01:
            self._on = True
        elif code & 0xF8 == 0x40:
            self._mt = (self._mt & 0x1F) | (code & 7) << 5
        elif code & 0xE0 == 0x60:
            self._mt = (self._mt & 0xE0) | code & 0x1F
        elif code in (0x10, 0x11, 0x13, 0x20, 0x21, 0x23):
            self._mode = code
            self._on = True
            full = 24 if code & 3 == 3 else 180
            self._ready_ms = vm_channel.now_ms + full * self._mt // 69

    def answer(self, n):
        if self._ready_ms < 0 or vm_channel.now_ms < self._ready_ms:
            return b"\x00\x00"
        raw = vm_channel.values()[LUX_D] * 12 * self._mt // 6900
        if self._mode & 3 == 1:
            raw *= 2
        raw = min(raw, 65535)
        return bytes((raw >> 8, raw & 0xFF))


def fitted():
    """The chips on the bus of the virtual board, by address."""
    return {0x44: Sht4xChip(), 0x62: Scd4xChip(), 0x5A: Mlx90614Chip(), 0x23: Bh1750Chip()}
