"""Stand-in for `onewire` on the virtual board: a bus with one DS18B20 that answers real bytes with their CRC.

Source of the byte layout: Maxim DS18B20 data sheet (function commands, scratchpad, CRC-8 polynomial 0x31 reflected).
"""

import vm_channel

_ROM = bytes((0x28, 0x54, 0x4F, 0x4D, 0x41, 0x54, 0x4F))  # family 0x28, 48 bit serial
_CONVERT_MS = 750
_ABSENT = 1 << 4


def _crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self.pin = pin
        self._reply = b""
        self._since_ms = -1
        self._raw = 0x0550  # 85 degC, the power-on value
        self._pending = 0
        self._match = 0

    def _present(self):
        return not vm_channel.values()[15] & _ABSENT

    def reset(self, required=False):
        self._reply = b""
        self._pending = 0
        self._match = 0
        present = self._present()
        if required and not present:
            raise OneWireError
        return present

    def writebyte(self, value):
        if self._match:
            self._match -= 1  # a byte of the addressed ROM code
        elif value == self.MATCH_ROM:
            self._match = 8
        elif value == 0x44:
            self._since_ms = vm_channel.now_ms
            self._pending = 1
            self._milli_c = vm_channel.values()[6]
        elif value == 0xBE:
            self._reply = self._scratchpad()
        elif value == 0x33:
            self._reply = _ROM + bytes((_crc8(_ROM),))

    def write(self, buf):
        for value in buf:
            self.writebyte(value)

    def _scratchpad(self):
        if self._since_ms >= 0 and vm_channel.now_ms - self._since_ms >= _CONVERT_MS:
            self._raw = (self._milli_c * 16 + 500) // 1000
            self._since_ms = -1
        raw = self._raw & 0xFFFF
        body = bytes((raw & 0xFF, raw >> 8, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10))
        if vm_channel.values()[15] & (1 << 12):
            return body + bytes((_crc8(body) ^ 0x5A,))
        return body + bytes((_crc8(body),))

    def readbyte(self):
        if self._reply:
            value = self._reply[0]
            self._reply = self._reply[1:]
            return value
        return 0xFF

    def readbit(self):
        # While converting the chip holds the bus low.
        return 0 if self._since_ms >= 0 and vm_channel.now_ms - self._since_ms < _CONVERT_MS else 1

    def writebit(self, value):
        pass

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.readbyte()

    def select_rom(self, rom):
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        return [bytearray(_ROM + bytes((_crc8(_ROM),)))] if self._present() else []

    def crc8(self, data):
        return _crc8(data)
