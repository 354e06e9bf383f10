"""Runs on the MicroPython VM: imports the twin's stand-ins named as arguments and prints the bytes they hold."""

import gc
import sys

gc.collect()
before = gc.mem_alloc()
for name in sys.argv[1:]:
    __import__(name)
del sys.modules["ports"]  # as the twin's start.py does: only the board's own column is kept
gc.collect()
print(gc.mem_alloc() - before)
