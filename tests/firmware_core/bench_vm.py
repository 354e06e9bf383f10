"""Runs on the MicroPython VM: worst safety tick and mean, allocation per tick, the heap a core takes. One line."""

import gc
import sys
import time

sys.path.insert(0, ".")
gc.collect()
before = gc.mem_alloc()
from tomato import contract as c  # noqa: E402

from tests.firmware_core.rig import Rig  # noqa: E402

gc.collect()
modules = gc.mem_alloc() - before
# A second argument is the moment of the start: beyond 2^30 ms as well as at the beginning.
rig = Rig(t_ms=int(sys.argv[2])).leased()
gc.collect()
core_bytes = gc.mem_alloc() - before - modules

ticks = int(sys.argv[1])
worst_us = total_us = 0
tick, t = rig.core.tick, rig.t
for output, amount in ((c.OUT_LIGHT, 900_000), (c.OUT_CIRCULATION_FAN, 900_000), (c.OUT_HEATER_MAT, 600_000)):
    rig.pulse(output, amount)
allocated = 0
gc.collect()
gc.disable()
for i in range(ticks):
    t += 50
    rig.t = t
    if i % 40 == 0:
        gc.collect()
        rig.lease()
        rig.look()
        start_bytes = gc.mem_alloc()
    started = time.ticks_us()
    tick(t)
    took = time.ticks_diff(time.ticks_us(), started)
    if i % 40 == 39:
        allocated += gc.mem_alloc() - start_bytes
    total_us += took
    worst_us = max(worst_us, took)
print(worst_us, total_us / ticks, allocated, modules, core_bytes)
