"""A probe for the stand-ins, not the firmware: answers each line `expr` on the link with repr(eval(expr))."""

# ruff: noqa: F401  (the names are for the expressions it is asked)
import select
import sys
import time

import ds18x20
import machine
import onewire
import vm_channel
from machine import ADC, I2C, WDT, Pin, Timer

out = sys.stdout.buffer
poller = select.poll()
poller.register(sys.stdin, select.POLLIN)
i2c = I2C(0)
pulses = [0]


def count(_pin):
    pulses[0] += 1


Pin(22, Pin.IN).irq(count, Pin.IRQ_RISING)
line = b""
out.write(b"hello %d\n" % machine.reset_cause())
while True:
    for _ in poller.ipoll(1000):
        data = sys.stdin.buffer.read(256) or b""
        line += data
        while b"\n" in line:
            text, line = line.split(b"\n", 1)
            try:
                answer = repr(eval(text.decode()))
            except Exception as error:
                answer = "!" + repr(error)
            out.write(answer.encode() + b"\n")
