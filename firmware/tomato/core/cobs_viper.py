"""The loops of cobs.py in viper machine code. Not importable where there is none; cobs.py then keeps its bytecode."""

import sys

if sys.implementation.name != "micropython":
    raise ImportError("viper needs MicroPython")

import micropython


@micropython.viper
def encode(source: ptr8, n: int, out: ptr8, at: int) -> int:  # noqa: F821
    code_at = at
    at += 1
    code = 1
    for i in range(n):
        byte = source[i]
        if byte:
            out[at] = byte
            at += 1
            code += 1
        if byte == 0 or code == 255:
            out[code_at] = code
            code_at = at
            at += 1
            code = 1
    out[code_at] = code
    return at


@micropython.viper
def decode(buf: ptr8, n: int) -> int:  # noqa: F821
    source = 0
    target = 0
    while source < n:
        code = int(buf[source])
        source += 1
        stop = source + code - 1
        if code == 0 or stop > n:
            return -1
        while source < stop:
            byte = buf[source]
            if byte == 0:
                return -1
            buf[target] = byte
            target += 1
            source += 1
        if code < 255 and source < n:
            buf[target] = 0
            target += 1
    return target


@micropython.viper
def _gather(source: ptr8, span: int, buf: ptr8, fill: int) -> int:  # noqa: F821
    at = span >> 14  # viper code takes four arguments at most
    n = span & 0x3FFF
    while at < n:
        byte = source[at]
        if byte == 0 or (byte == 3 and fill == 1 and buf[0] == 13):
            return at
        if fill < 256:
            buf[fill] = byte
            fill += 1
        at += 1
    return n


def gather(source, at, n, buf, fill):
    return _gather(source, at << 14 | n, buf, fill)
