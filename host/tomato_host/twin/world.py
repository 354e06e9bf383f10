"""Everything around the board: tent, surroundings, sensors, water, cable and power, with the faults of a scenario."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from shared_schemas.devices import LIMITS, OUTPUT_BY_NAME
from tomato_host.sources.scenarios import HOUR_MS, Scenario
from tomato_host.twin.fault_effects import EFFECTS, Effect
from tomato_host.twin.line_and_power import PowerFaults, SerialLinkFaults
from tomato_host.twin.outside import Climate, Surroundings, Weather
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import DOSING, HEATING, PUMPING, STEP_S, TentPhysics, TentState
from tomato_host.twin.sensors import FLOW_PULSES_PER_ML, Readings, SensorState, SimulatedSensors

GRID_MS = int(STEP_S * 1_000)
LEAK_WET_ML = 15.0
PUMP_BIT = PUMPING


@dataclass(slots=True)
class SafetyRecord:
    """Whether the promises to the plant were kept, measured on the truth and not on any report."""

    pump_longest_ms: int = 0
    pump_ml: float = 0.0
    heater_on_above_c: float = -99.0
    """Warmest true soil at which the heater was on."""
    co2_dosed_at_ppm: float = 0.0
    """Highest true CO2 at which dosing went on."""
    theta_after_pump: float = 0.0
    """Wettest zone at the end of a pump pulse, with no water running by a fault."""
    wilted_h: float = 0.0
    spilled_ml: float = 0.0

    def broken(self) -> list[str]:
        """The promises that were broken, in words; empty when all were kept."""
        pump = OUTPUT_BY_NAME["water_pump"]
        found = []
        if self.pump_longest_ms > pump.max_on_ms + 100:
            found.append(f"pump ran {self.pump_longest_ms} ms, limit {pump.max_on_ms}")
        if self.heater_on_above_c > LIMITS["soil_temp_cutoff_c"] + 1.0:
            found.append(f"heater on at {self.heater_on_above_c:.1f} degC soil")
        if self.co2_dosed_at_ppm > LIMITS["co2_cutoff_ppm"] * 1.15 + 50.0:
            found.append(f"CO2 dosed at {self.co2_dosed_at_ppm:.0f} ppm")
        return found


WorldState = tuple[int, TentState, SensorState, SafetyRecord]
Switches = tuple[bool, bool, bool, bool, bool, bool]


class World:
    """One tent in its surroundings, moved on by `advance_to`. Time is in ms since `start`."""

    def __init__(
        self,
        seed: int,
        params: TentParams | None = None,
        scenario: Scenario | None = None,
        start: datetime | None = None,
        weather: Weather | None = None,
    ) -> None:
        """`start` (aware) defaults to 2026-05-01 00:00 in Vienna; `weather` to the seeded climate."""
        self.start = start or datetime.fromisoformat("2026-05-01T00:00:00+02:00")
        self.seed = seed
        self.tent = TentPhysics(params, seed)
        self._truth = self.tent.truth()
        self.surroundings = Surroundings(weather or Climate(seed, self.start), self.tent.params.place)
        self.sensors = SimulatedSensors(seed, self.tent.params)
        self.serial_link = SerialLinkFaults()
        self.power = PowerFaults()
        self.safety = SafetyRecord()
        self.rng = Random(f"world-{seed}")
        self.now_ms = 0
        self.outputs = 0
        self.door_open = False
        self.estop = False
        self.button = False
        self.leaking = False
        self.probe_drift_pct_h = 0.0
        self._since_ms = {}  # type: dict[int, int]
        self._flow_ml = 0.0
        self._flow_since_ms = 0
        self.flow_ml_s = 0.0
        """Water through the meter just now."""
        self._refill_ms = round(self.tent.params.refill_every_d * 24.0) * HOUR_MS
        self._next_refill_ms = self._refill_ms
        self._timeline: list[tuple[int, Callable[[World], None]]] = []
        for t_ms, strength, name in (scenario or Scenario()).timeline():
            self.schedule(t_ms, partial(_apply, EFFECTS[name], strength))
        self._meet_events()

    def moment(self, t_ms: int) -> datetime:
        """Wall time of a moment in ms since the start."""
        return self.start + timedelta(milliseconds=t_ms)

    def next_change_ms(self) -> int:
        """The next moment at which something changes of itself: a grid step or the scenario."""
        grid = (self.now_ms // GRID_MS + 1) * GRID_MS
        if self._timeline and self._timeline[0][0] < grid:
            return self._timeline[0][0]
        return grid

    def changes_course_by(self, t_ms: int) -> bool:
        """Whether up to `t_ms` more happens than grid steps: a fault, a refill, growth."""
        fault_ms = self._timeline[0][0] if self._timeline else t_ms + 1
        return min(fault_ms, self._next_refill_ms) <= t_ms or self.tent.slow_step_within((t_ms - self.now_ms) / 1_000.0)

    def state(self) -> WorldState:
        """What moving on and one reading change while nothing `changes_course`, to be put back by `restore`."""
        return self.now_ms, self.tent.state(), self.sensors.state(), replace(self.safety)

    def restore(self, state: WorldState) -> None:
        """Go back to an earlier `state`."""
        self.now_ms, tent, sensors, safety = state
        self.tent.restore(tent)
        self.sensors.restore(sensors)
        for field in fields(safety):
            setattr(self.safety, field.name, getattr(safety, field.name))

    def advance_to(self, t_ms: int) -> None:
        """Move everything on to `t_ms`; earlier moments change nothing."""
        while self.now_ms < t_ms:
            self._advance(min(t_ms, self.next_change_ms()))
            if self._timeline:
                self._meet_events()

    def advance_unnoticed(self, t_ms: int) -> None:
        """Move on over the changes up to `t_ms`, with the first at which a board could notice something as the last.

        Between two events of the scenario it can notice the float and the leak sensor alone.
        """
        truth, low_ml = self._truth, self.tent.params.reservoir_low_ml
        filled, wet = truth.reservoir_ml > low_ml, truth.floor_ml > LEAK_WET_ML
        while (change_ms := self.next_change_ms()) <= t_ms:
            self._advance(change_ms)
            if self._timeline and self._timeline[0][0] <= change_ms:
                self._meet_events()
                return
            if (truth.reservoir_ml > low_ml) is not filled or (truth.floor_ml > LEAK_WET_ML) is not wet:
                return

    def advance_grid(self, t_ms: int) -> None:
        """Move on to the last change at or before `t_ms`: the same steps are taken however often this is called."""
        while (change_ms := self.next_change_ms()) <= t_ms:
            self.advance_to(change_ms)

    def schedule(self, t_ms: int, change: Callable[[World], None]) -> None:
        """Let `change` happen to this world at `t_ms`, after what is already scheduled for that moment."""
        insort(self._timeline, (t_ms, change), key=lambda event: event[0])

    def _meet_events(self) -> None:
        """Let happen what is due."""
        while self._timeline and self._timeline[0][0] <= self.now_ms:
            _, change = self._timeline.pop(0)
            change(self)
            self.flow_changed(self.now_ms)

    def _advance(self, t_ms: int) -> None:
        now_ms, outputs, truth, safety = self.now_ms, self.outputs, self._truth, self.safety
        dt_s = (t_ms - now_ms) / 1_000.0
        self.tent.advance(dt_s, outputs, self.surroundings.at(now_ms / 1_000.0))
        self.now_ms = t_ms
        if outputs & HEATING and truth.soil_c > safety.heater_on_above_c:
            safety.heater_on_above_c = truth.soil_c
        if outputs & DOSING and truth.co2_ppm > safety.co2_dosed_at_ppm:
            safety.co2_dosed_at_ppm = truth.co2_ppm
        if truth.stress < 0.3:
            safety.wilted_h += dt_s / 3_600.0
        safety.spilled_ml = truth.floor_ml
        if self.probe_drift_pct_h:
            self.sensors.faults.probe_drift_pct[0] += self.probe_drift_pct_h * dt_s / 3_600.0
        if t_ms >= self._next_refill_ms:
            self._next_refill_ms += self._refill_ms
            truth.reservoir_ml = self.tent.params.reservoir_ml
            truth.tray_ml = 0.0

    def set_output(self, wire_id: int, on: bool, t_ms: int) -> None:
        """A relay switched at `t_ms`."""
        bit = 1 << wire_id
        if bool(self.outputs & bit) == on:
            return
        self.advance_to(t_ms)
        if on:
            self._since_ms[wire_id] = self.now_ms
        elif bit == PUMP_BIT:
            self._pump_stopped(self.now_ms - self._since_ms.get(wire_id, self.now_ms))
        self.outputs ^= bit
        self.flow_changed(self.now_ms)

    def all_off(self, t_ms: int) -> None:
        """Power is gone: every relay falls off."""
        for output in OUTPUT_BY_NAME.values():
            self.set_output(output.wire_id, False, t_ms)

    def _pump_stopped(self, ran_ms: int) -> None:
        truth = self._truth
        self.safety.pump_longest_ms = max(self.safety.pump_longest_ms, ran_ms)
        self.safety.pump_ml = truth.pumped_ml
        if not self.tent.drip_ml_s:
            self.safety.theta_after_pump = max(self.safety.theta_after_pump, truth.theta_1, truth.theta_2)

    def flow_changed(self, t_ms: int) -> None:
        """Note that what moves water - relays, reservoir, a fault - is another from `t_ms` on."""
        self._flow_ml = self._flow_at(t_ms)
        self._flow_since_ms = t_ms
        self.flow_ml_s = self.tent.water_rate_ml_s(self.outputs)

    def _flow_at(self, t_ms: int) -> float:
        if not self.flow_ml_s:
            return self._flow_ml
        return self._flow_ml + self.flow_ml_s * max(0, t_ms - self._flow_since_ms) / 1_000.0

    @property
    def flowing(self) -> bool:
        """Whether water moves through the meter."""
        return self.flow_ml_s > 0.0

    def flow_pulses(self, t_ms: int) -> int:
        """Pulses of the flow meter since the start, up to `t_ms`."""
        return int(self._flow_at(t_ms) * FLOW_PULSES_PER_ML * self.sensors.flow_gain)

    def flow_pulse_due_ms(self, count: int) -> int:
        """The first whole ms at which `flow_pulses` shows at least `count`, while water flows as it does now."""
        per_ml = FLOW_PULSES_PER_ML * self.sensors.flow_gain
        wait_ms = (count / per_ml - self._flow_ml) / self.flow_ml_s * 1_000.0
        due_ms = max(self._flow_since_ms, self._flow_since_ms + int(wait_ms))
        while self.flow_pulses(due_ms) < count:
            due_ms += 1
        return due_ms

    @property
    def reservoir_ok(self) -> bool:
        """The float switch."""
        return self._truth.reservoir_ml > self.tent.params.reservoir_low_ml

    @property
    def leak(self) -> bool:
        """The leak sensor on the floor."""
        return self._truth.floor_ml > LEAK_WET_ML

    def switches(self) -> Switches:
        """What the lines of a board show: leak, reservoir ok, door open, emergency stop, button; and a cut line."""
        truth, link = self._truth, self.serial_link
        return (
            truth.floor_ml > LEAK_WET_ML,
            truth.reservoir_ml > self.tent.params.reservoir_low_ml,
            self.door_open,
            self.estop,
            self.button,
            link.cut or link.host_dead,
        )

    def readings(self, t_ms: int) -> Readings:
        """What the sensors show at `t_ms`."""
        if self.now_ms < t_ms:
            self.advance_to(t_ms)
        return self.sensors.read(t_ms, self._truth)


def _apply(effect: Effect, strength: float, world: World) -> None:
    effect(world, strength)
