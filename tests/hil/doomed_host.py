"""A host process made to be killed: takes the lease, starts a pump pulse and the lamp, then renews until it dies.

Run as `python -m tests.hil.doomed_host PORT`; prints one line when both pulses were accepted.
"""

from __future__ import annotations

import sys
import time

from shared_schemas.devices import OUTPUT_BY_NAME
from tests.hil.wire_host import real_time_host

PUMP_ML = 250
LIGHT_MS = 900_000


def main(path: str) -> None:
    host = real_time_host(path, session=int(sys.argv[2]))
    host.greet()
    light, pump = OUTPUT_BY_NAME["light"].wire_id, OUTPUT_BY_NAME["water_pump"].wire_id
    wanted = {light: LIGHT_MS, pump: PUMP_ML}
    renewed = asked = 0.0
    said = False
    while True:
        if time.monotonic() - renewed > 0.05:
            renewed = time.monotonic()
            host.send("LEASE", lease_ms=5_000)
        running = {f["a"] for _, f in host.of("EVENT") if f["event"] == 2}
        if time.monotonic() - asked > 0.2 and not said:
            asked = time.monotonic()
            for output, amount in wanted.items():
                if output not in running:
                    host.pulse(output, amount)
        if running >= set(wanted) and not said:
            said = True
            print("pumping", flush=True)
        host.listen()


if __name__ == "__main__":
    main(sys.argv[1])
