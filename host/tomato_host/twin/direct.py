"""The twin without firmware: observations straight from the sensor models, actions bounded by the table of devices.

For campaigns and learning, where the board's protocol would only cost time. `DirectTwin` is a Source.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from shared_schemas.devices import LIMITS, OUTPUT_BY_NAME, OUTPUTS, Output
from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.records.device_status_v1 import BoardState, LatchedFault
from shared_schemas.records.device_status_v1 import Outputs as OutputStates
from shared_schemas.records.observation_v1 import MissingReason, SoilReading
from tomato_host.twin.outside import Weather
from tomato_host.twin.params import TentParams
from tomato_host.twin.scenarios import Scenario
from tomato_host.twin.sensors import FLOW_PULSES_PER_ML, PROBE_DRY_RAW, PROBE_WET_RAW, Readings
from tomato_host.twin.vm_channel import ABSENT_BITS
from tomato_host.twin.world import World

VIENNA = ZoneInfo("Europe/Vienna")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SLICE_MS = 600_000
PERSON_AFTER_MS = HOUR_MS
"""A person clears a latched fault and acknowledges it this long after its cause has gone."""
PUMP: Final = OUTPUT_BY_NAME["water_pump"]
LATCHING: tuple[str, ...] = ("leak", "no_flow", "stuck_valve")
"""Faults the board would latch, in the order of their ids here."""
UNPLUGGED_RAW = 64_000


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an action: how much is on its way (s or ml), and why not more."""

    granted: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A pulse that is over: what it delivered (s or ml), and the reason when it was cut."""

    output: str
    at_ms: int
    delivered: float
    reason: str = ""


@dataclass(slots=True)
class _Running:
    """One output's pulse and its history: (moment in ms, amount in s or ml) in slices of at most SLICE_MS."""

    until_ms: int = -1
    since_ms: int = 0
    booked_ms: int = 0
    """Up to here the running pulse is in the history."""
    off_since_ms: int = -DAY_MS
    past: deque[tuple[int, float]] = field(default_factory=deque)

    def used(self, since_ms: int) -> float:
        return sum(amount for end, amount in self.past if end > since_ms)

    def book(self, now_ms: int, per_s: float) -> None:
        """Put the running pulse into the history up to now; `per_s` is what it delivers in a second."""
        while self.booked_ms < now_ms:
            end_ms = min(now_ms, self.booked_ms + SLICE_MS)
            self.past.append((end_ms, (end_ms - self.booked_ms) / 1_000.0 * per_s))
            self.booked_ms = end_ms
        while self.past and self.past[0][0] <= now_ms - DAY_MS:
            self.past.popleft()


class DirectTwin:
    """A tent, its sensors and a board that obeys shared_schemas.devices, without a line between them."""

    lacking: Final[frozenset[str]] = frozenset()

    def __init__(
        self,
        seed: int = 0,
        params: TentParams | None = None,
        scenario: Scenario | str | None = None,
        start: datetime | None = None,
        period_s: float = 10.0,
        weather: Weather | None = None,
    ) -> None:
        """`period_s` is the time between observations. Raises TomatoError for an unknown scenario."""
        faults = scenario if isinstance(scenario, Scenario) else Scenario.parse(scenario)
        self.world = World(seed, params, faults, start, weather)
        self.period_ms = round(period_s * 1_000)
        self._running = [_Running() for _ in OUTPUTS]
        self._boot_id = 1
        self._boot_ms = 0
        self._silent_ms = 0
        self.ended: list[Ended] = []
        """Pulses that ended since a caller last emptied this list, in order."""
        self._latched: dict[str, int] = {}
        """Latched fault to the last moment at which its cause was there."""
        self._acknowledged = False
        self._pump_ml_s = self.world.tent.params.pump_ml_s
        self._last: Readings | None = None

    @property
    def now(self) -> datetime:
        """Wall time in the twin."""
        return self.world.start + timedelta(milliseconds=self.world.now_ms)

    @property
    def now_ms(self) -> int:
        """Milliseconds since the start."""
        return self.world.now_ms

    def next_observation(self, after_ms: int | None = None) -> ObservationV1 | None:
        """Advance by one period (or `after_ms`) and observe. While the cable is cut, time passes unobserved."""
        self.advance((self.period_ms if after_ms is None else after_ms) / 1_000.0)
        for _ in range(7 * DAY_MS // self.period_ms):
            if not self._deaf():
                return self.observe()
            self.advance(self.period_ms / 1_000.0)
        return None

    def _deaf(self) -> bool:
        return self.world.cable.cut or self.world.cable.host_dead

    def advance(self, seconds: float) -> None:
        """Let time pass; pulses end when they are due, a lease that nobody renews drops its outputs."""
        target = self.world.now_ms + round(seconds * 1_000)
        while self.world.now_ms < target:
            moment = min(
                [target, self.world.next_change_ms(), self._flow_check_ms()]
                + [r.until_ms for r in self._running if r.until_ms >= 0]
            )
            self.world.advance_to(moment)
            self._watch_faults(moment)
            self._end_due(moment)
            self._mind_board(moment)

    def _flow_check_ms(self) -> int:
        """When the running pump must have moved water."""
        pump = self._running[PUMP.wire_id]
        check_ms = pump.since_ms + LIMITS["flow_check_after_ms"]
        return check_ms if pump.until_ms >= 0 and check_ms > self.world.now_ms else 1 << 62

    def _watch_faults(self, now_ms: int) -> None:
        """Latch what the board would latch; a person comes an hour after the cause has gone."""
        world, pump = self.world, self._running[PUMP.wire_id]
        flow = world.tent.water_rate_ml_s(world.outputs)
        pumping = pump.until_ms >= 0 and now_ms - pump.since_ms >= LIMITS["flow_check_after_ms"]
        causes = (world.leak, pumping and flow < 0.1 * self._pump_ml_s, pump.until_ms < 0 and flow > 0.0)
        for name, there in zip(LATCHING, causes, strict=True):
            if there:
                self._latched[name] = now_ms
        for name in [n for n, seen_ms in self._latched.items() if now_ms - seen_ms >= PERSON_AFTER_MS]:
            del self._latched[name]
            self._acknowledged = True

    def take_acknowledgement(self) -> bool:
        """True once after a person has cleared a fault."""
        said, self._acknowledged = self._acknowledged, False
        return said

    def _end_due(self, now_ms: int) -> None:
        for output, state in zip(OUTPUTS, self._running, strict=True):
            if state.until_ms < 0:
                continue
            broken = self._interlocked(output)
            if broken or state.until_ms <= now_ms:
                self._switch_off(output, state, now_ms, broken)

    def _mind_board(self, now_ms: int) -> None:
        """Lease, brown-out and reset as the board would live through them."""
        power = self.world.power
        if self._deaf():
            self._silent_ms = self._silent_ms or now_ms
            if now_ms - self._silent_ms >= LIMITS["lease_ms"]:
                self._all_off(now_ms, "lease_lost", keep_finishing=True)
        else:
            self._silent_ms = 0
        pump = self._running[PUMP.wire_id]
        if power.brownout or (power.reset_on_pump and pump.until_ms >= 0):
            power.brownout = power.reset_on_pump = False
            self._all_off(now_ms, "reset", keep_finishing=False)
            self._boot_id += 1
            self._boot_ms = now_ms

    def _all_off(self, now_ms: int, reason: str, keep_finishing: bool) -> None:
        for output, state in zip(OUTPUTS, self._running, strict=True):
            if state.until_ms >= 0 and not (keep_finishing and output.on_lease_loss == "finish"):
                self._switch_off(output, state, now_ms, reason)

    def _switch_off(self, output: Output, state: _Running, now_ms: int, reason: str = "") -> None:
        per_s = self._pump_ml_s if output.budget_unit == "ml" else 1.0
        state.book(now_ms, per_s)
        amount = (now_ms - state.since_ms) / 1_000.0 * per_s
        state.until_ms = -1
        state.off_since_ms = now_ms
        self.world.set_output(output.wire_id, False, now_ms)
        self.ended.append(Ended(output.name, now_ms, amount, reason))

    def _interlocked(self, output: Output) -> str:
        """The first need of `output` that does not hold, or an empty string."""
        world, last = self.world, self._last
        if output is PUMP and self._latched:
            return next(iter(self._latched))
        for need in output.needs:
            if need == "no_leak" and world.leak:
                return need
            if need == "reservoir_ok" and not world.reservoir_ok:
                return need
            if last is None:
                continue
            absent = last.absent
            if need == "rh_fresh" and absent & ABSENT_BITS["sht4x"]:
                return need
            if need == "rh_below_limit" and last.rh_pct >= LIMITS["rh_cutoff_pct"]:
                return need
            if need == "co2_fresh" and absent & ABSENT_BITS["scd4x"]:
                return need
            if need == "co2_below_limit" and last.co2_ppm >= LIMITS["co2_cutoff_ppm"]:
                return need
            if need == "soil_temp_below_limit" and last.soil_temp_c >= LIMITS["soil_temp_cutoff_c"]:
                return need
            if need == "not_over_temp" and last.air_temp_c >= LIMITS["over_temp_on_c"]:
                return need
        return ""

    def apply(self, output_name: str, seconds_or_ml: float) -> Applied:
        """Ask for a bounded pulse, in ml for the pump and in seconds otherwise. Raises KeyError for unknown outputs."""
        output = OUTPUT_BY_NAME[output_name]
        state = self._running[output.wire_id]
        now_ms = self.world.now_ms
        amount = min(seconds_or_ml, output.max_dose if output.dose_unit == "ml" else output.max_on_ms / 1_000.0)
        if amount <= 0.0:
            self.stop(output_name)
            return Applied(0.0, "stopped")
        refused = self._refused(output, state, now_ms)
        if refused:
            return Applied(0.0, refused)
        if state.until_ms >= 0:
            state.book(now_ms, 1.0)
        left = self._left(output, state, now_ms)
        if left <= 0.0:
            return Applied(0.0, "budget")
        granted = min(amount, left)
        ms = round((granted / self._pump_ml_s if output.dose_unit == "ml" else granted) * 1_000)
        if state.until_ms < 0:
            state.since_ms = state.booked_ms = now_ms
            self.world.set_output(output.wire_id, True, now_ms)
        state.until_ms = now_ms + min(ms, output.max_on_ms)
        return Applied(granted, "clipped" if granted < seconds_or_ml else "")

    @staticmethod
    def _left(output: Output, state: _Running, now_ms: int) -> float:
        """What the hour and the day still allow; a budget of the whole span is none."""
        left = float(output.max_dose)
        for budget, span_ms in ((output.hour_budget, HOUR_MS), (output.day_budget, DAY_MS)):
            if output.budget_unit == "ml" or budget * 1_000 < span_ms:
                left = min(left, budget - state.used(now_ms - span_ms))
        return left

    def _refused(self, output: Output, state: _Running, now_ms: int) -> str:
        if self._deaf():
            return "no_link"
        if state.until_ms < 0 and now_ms - state.off_since_ms < output.min_off_ms:
            return "min_pause"
        if state.until_ms >= 0 and not output.renewable:
            return "busy"
        for other, running in zip(OUTPUTS, self._running, strict=True):
            if other is not output and other.group == output.group and running.until_ms >= 0:
                return "group_excluded"
        return self._interlocked(output)

    def stop(self, output_name: str) -> None:
        """End the pulse of one output now."""
        output = OUTPUT_BY_NAME[output_name]
        state = self._running[output.wire_id]
        if state.until_ms >= 0:
            self._switch_off(output, state, self.world.now_ms, "stopped")

    def stop_all(self) -> None:
        """End all pulses now."""
        self._all_off(self.world.now_ms, "stopped", keep_finishing=False)

    def observe(self) -> ObservationV1:
        """The observation of this moment, quantised as the board would send it."""
        world = self.world
        self._last = r = world.readings(world.now_ms)
        self._end_due(world.now_ms)
        missing: dict[str, MissingReason] = {}
        for chip, names in _QUANTITIES_OF.items():
            bit = ABSENT_BITS[chip]
            if r.absent & (bit | bit << 8):
                missing.update(dict.fromkeys(names, "nack" if r.absent & bit else "crc"))
        values: dict[str, Any] = {
            "air_temp_c": round(r.air_temp_c, 2),
            "rh_pct": round(r.rh_pct, 2),
            "co2_ppm": float(round(r.co2_ppm)),
            "leaf_temp_c": round(r.leaf_temp_c, 2),
            "light_lux": float(min(120_000, round(r.light_lux))),
            "soil_temp_c": round(round(r.soil_temp_c * 16.0) / 16.0, 2),
        }
        values.update(dict.fromkeys(missing, None))
        return ObservationV1(
            schema_version="observation_v1",
            ts=self.now,
            origin="synthetic",
            **values,
            soil=(_probe("P1", r.soil_raw[0]), _probe("P2", r.soil_raw[1])),
            flow_ml=float(round(world.flow_pulses(world.now_ms) / FLOW_PULSES_PER_ML)),
            reservoir_ok=world.reservoir_ok,
            leak=world.leak,
            door_open=world.door_open,
            missing=missing,
        )

    def device_status(self) -> DeviceStatusV1:
        """The outputs and budgets of this moment."""
        world = self.world
        states = {o.name: "ON" if world.outputs >> o.wire_id & 1 else "OFF" for o in OUTPUTS}
        board_state: BoardState = "LEASED"
        faults = tuple(LatchedFault(id=LATCHING.index(name), name=name) for name in self._latched)
        return DeviceStatusV1(
            schema_version="device_status_v1",
            ts=self.now,
            outputs=OutputStates.model_validate(states),
            mcu_connected=not self._deaf(),
            board_state=board_state,
            boot_id=self._boot_id,
            faults=faults,
            last_reset_ts=world.start + timedelta(milliseconds=self._boot_ms),
            water_ml_used_today=self._running[PUMP.wire_id].used(self._midnight_ms()),
            co2_seconds_used_today=self._running[OUTPUT_BY_NAME["co2_solenoid"].wire_id].used(self._midnight_ms()),
        )

    def _midnight_ms(self) -> int:
        """The last local midnight, in ms since the start (negative before the first)."""
        local = self.now.astimezone(VIENNA)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return round((midnight - self.world.start) / timedelta(milliseconds=1))


_QUANTITIES_OF: dict[str, tuple[str, ...]] = {
    "sht4x": ("air_temp_c", "rh_pct"),
    "scd4x": ("co2_ppm",),
    "mlx90614": ("leaf_temp_c",),
    "bh1750": ("light_lux",),
    "ds18b20": ("soil_temp_c",),
}


def _probe(name: str, raw: int) -> SoilReading:
    if raw >= UNPLUGGED_RAW:
        return SoilReading(id=name, moisture_pct=None, raw=raw, missing="unplugged")
    pct = 100.0 * (PROBE_DRY_RAW - raw) / (PROBE_DRY_RAW - PROBE_WET_RAW)
    return SoilReading(id=name, moisture_pct=round(min(100.0, max(0.0, pct)), 2), raw=raw)
