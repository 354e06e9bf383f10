"""Runs on the MicroPython VM: what one LEASE frame and one SAMPLE cost the board, with the real core, in us."""

import gc
import time

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.frame import HEADER, FrameWriter
from tomato.core.ring import SampleRing
from tomato.core.sampler import SAMPLE_BODY_MAX, Sampler
from tomato.core.session import Session

ROUNDS = 2000


class Store:
    """No flash."""

    def read(self, name):
        return None

    def write(self, name, record):
        return True


def frame(session, type_id, fields):
    """A frame as a host writes it."""
    from tomato.core.cbor import Writer

    writer = FrameWriter()
    body = Writer(writer.payload)
    body.pos = HEADER
    body.put(fields)
    n = writer.finish(type_id, session, body.pos)
    return bytes(writer.out[:n])


def mean_us(call):
    """Mean time of one call."""
    gc.collect()
    started = time.ticks_us()
    for i in range(ROUNDS):
        call(i)
    return time.ticks_diff(time.ticks_us(), started) / ROUNDS


def main():
    """Print one figure a line."""
    core = Core({}, Store())
    ring = SampleRing(512, SAMPLE_BODY_MAX)
    sampler = Sampler(core, ring)
    sent = [0]

    def send(buf, n):
        sent[0] += n
        return True

    session = Session(core, sampler, ring, send)
    for sensor in range(len(c.SENSORS)):
        core.inputs.put(sensor, (c.SENSORS[sensor][2] + c.SENSORS[sensor][3]) // 2, 0)
    hello = frame(7, c.M_HELLO, {c.F_SCHEMA_HASH: c.SCHEMA_HASH})
    session.feed(0, hello, len(hello))
    core.tick(0)
    core.tick(3000)
    lease = frame(7, c.M_LEASE, {c.F_LEASE_MS: 5000})
    health = frame(7, c.M_HEALTH, {})

    def take_sample(i):
        n = sampler.take(4000)
        session._raw(sampler.body, n)
        ring.ack(sampler.seq)

    lease_us = mean_us(lambda i: session.feed(3000 + i, lease, len(lease)))
    before = sent[0]
    sample_us = mean_us(take_sample)
    sample_bytes = (sent[0] - before) / ROUNDS
    health_us = mean_us(lambda i: session.feed(4000, health, len(health)))
    tick_us = mean_us(lambda i: core.tick(6000 + 50 * i))
    session_us = mean_us(lambda i: session.tick(6000))
    print("lease_frame_us", lease_us)
    print("sample_us", sample_us)
    print("sample_frame_bytes", sample_bytes)
    print("health_us", health_us)
    print("safety_tick_us", tick_us)
    print("session_tick_us", session_us)


if __name__ == "__main__":
    main()
