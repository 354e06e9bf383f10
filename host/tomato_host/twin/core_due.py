"""When the core must be ticked so that nothing differs from ticking it every 50 ms.

A tick between two due moments only lets time pass: what it counts down or adds up comes to the same in one step or in
a thousand. The core itself names the moments at which it has something to do (`Core.next_due_ms`: ends of pulses, of
the lease, of pauses). It leaves six things to the safety tick, since that comes anyway; for these the moments are
worked out here, rounded up to the grid of the safety tick:

* the rolling budgets turn a cell, and what runs across that moment is charged to both sides of it;
* the prepaid share of a running output falls below its largest dose, so that a flash write becomes due;
* a quiet board has waited long enough for a flash write;
* the flow watch's grace after a dose, and its window, are over;
* forced ventilation comes back after the one tick that a flash write took;
* a board that nobody commands is about to enter SURVIVAL, whose programme counts its pace from there on.

`tests/twin/test_core_due.py` holds this against the core ticked every 50 ms.
"""

from __future__ import annotations

from typing import Any

NEVER_MS = 1 << 40
UNIT_MS = 1_000
"""Budgets are kept in ms and handed out in whole seconds."""


class DueMoments:
    """The next moment of one core, in its own time (ms since boot)."""

    def __init__(self, contract: Any, core: Any) -> None:
        self._core = core
        self._tick_ms = contract.SAFETY_TICK_MS
        self._ready, self._survival_ms = contract.STATE_READY, contract.SURVIVAL_AFTER_MS
        self._save_pause_ms = contract.SAVE_PAUSE_MS
        self._grace_ms, self._window_ms = contract.FLOW_OFF_GRACE_MS, contract.FLOW_OFF_WINDOW_MS
        self._pump = 1 << contract.OUT_WATER_PUMP
        # A dose of water or CO2 is never interrupted for a write: its end, where all is weighed anew, is due anyway.
        patient = self._pump | 1 << contract.OUT_CO2_SOLENOID
        self._watched = [
            (1 << output, output, row[contract.O_MAX_DOSE])
            for output, row in enumerate(contract.OUTPUTS)
            if not row[contract.O_IN_ML]
            and not patient >> output & 1
            and row[contract.O_DAY_BUDGET] * 1_000 < 86_400_000
        ]

    def next_ms(self) -> int:
        """When the core must be ticked next, if no input changes and no command comes before."""
        core = self._core
        now_ms: int = core.now_ms
        due: int = core.next_due_ms(now_ms)
        tick_ms: int = self._tick_ms
        on_grid = -(-(now_ms + self._accrual_ms()) // tick_ms) * tick_ms
        return on_grid if on_grid < due else due

    def _accrual_ms(self) -> int:
        """ms until one of the six."""
        core = self._core
        hour, day, saver, outputs = core.used.hour, core.used.day, core.saver, core.outputs
        if core.forced & ~outputs:
            return 1
        left: int = min(hour.cell_ms - hour.into_ms, day.cell_ms - day.into_ms)
        eve_ms = self._survival_ms - core.alone_ms - self._tick_ms
        if core.state == self._ready and eve_ms > 0:
            left = min(left, eve_ms)
        if not saver.wanted:
            for bit, output, dose in self._watched:
                if outputs & bit:
                    low_ms = low_in_ms(core.used, output, dose)
                    if low_ms < left:
                        left = low_ms
            if not outputs and saver.since_ms < self._save_pause_ms and core.used.half_spent():
                left = min(left, self._save_pause_ms - saver.since_ms)
        flow = core.flow
        if flow.fitted and not outputs & self._pump:
            resting = flow.rest_ms < self._grace_ms
            left = min(left, self._grace_ms - flow.rest_ms if resting else self._window_ms - flow.window_ms)
        return max(1, left)


def low_in_ms(used: Any, output: int, dose_ms: int) -> int:
    """ms until `used.low(output, dose_ms)` turns true while the output runs on; perhaps too early, never too late.

    It is true once the prepaid share is below the dose AND a write would hand out much more. Both the prepaid share
    and what is left of the day fall by 1 a ms. What a write hands out is the lesser of a fixed share of the day's
    budget and what is left of the day in whole units: at first it stands, so that its distance from the prepaid share
    grows; then it falls in steps, and the distance wavers by less than one unit.
    """
    prepaid: int = used.prepaid[output]
    if prepaid >= dose_ms:
        return prepaid - dose_ms + 1
    share: int = used.share(output)
    left: int = used.day_left(output)
    wanted = -(-dose_ms // 2)
    lacking, stands_for = wanted - (share - prepaid), left - share
    if lacking <= max(0, stands_for):
        return max(1, lacking)
    if stands_for >= UNIT_MS:
        return stands_for
    slack = left - prepaid - wanted
    return NEVER_MS if slack < 0 else max(1, left % UNIT_MS - slack)
