"""Stand-in for the frozen `ds18x20` driver of the real boards, on the simulated one-wire bus."""


class DS18X20:
    def __init__(self, onewire):
        self.ow = onewire

    def scan(self):
        return [rom for rom in self.ow.scan() if rom[0] in (0x10, 0x22, 0x28)]

    def convert_temp(self):
        self.ow.reset(True)
        self.ow.writebyte(self.ow.SKIP_ROM)
        self.ow.writebyte(0x44)

    def read_scratch(self, rom):
        self.ow.reset(True)
        self.ow.select_rom(rom)
        self.ow.writebyte(0xBE)
        body = bytearray(9)
        self.ow.readinto(body)
        if self.ow.crc8(body):
            raise Exception("CRC error")
        return body

    def read_temp(self, rom):
        body = self.read_scratch(rom)
        raw = body[1] << 8 | body[0]
        return (raw - 65536 if raw & 0x8000 else raw) / 16
