"""The board as a source: samples and health become ObservationV1 and DeviceStatusV1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, get_args
from zoneinfo import ZoneInfo

from shared_schemas.devices import GAS, OUTPUTS, PUMP, SENSOR_BY_NAME
from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.records.base import Part
from shared_schemas.records.device_status_v1 import BoardState, LatchedFault, OnOff, Outputs
from shared_schemas.records.observation_v1 import QUANTITIES, BoardStamp, MissingReason, SoilReading
from shared_schemas.wire import FAULTS, RESET_CAUSES
from tomato_host.board.events import Connected, Health, Sample
from tomato_host.brain.local_time import stamped
from tomato_host.sources.day_meters import GasMeter, RecordedDay, WaterMeter

REASON_OF: dict[str, MissingReason] = {
    "never_read": "warming_up",
    "no_answer": "timeout",
    "bad_crc": "crc",
    "out_of_range": "out_of_range",
    "stale": "stale",
    "warming_up": "warming_up",
    "disabled": "not_fitted",
    "uncalibrated": "invalid",
}
"""The board's reason for a missing value, and the record's."""

_PartT = TypeVar("_PartT", bound=Part)
_SWITCHES = frozenset(name for name in QUANTITIES if SENSOR_BY_NAME[name].unit == "bool")
_BEFORE_SOIL = QUANTITIES[: QUANTITIES.index("soil_temp_c") + 1]
_AFTER_SOIL = QUANTITIES[len(_BEFORE_SOIL) :]
"""The quantities as the record's schema has the soil probes between them."""
PROBES = (("P1", "soil_p1_pct", "soil_p1_raw"), ("P2", "soil_p2_pct", "soil_p2_raw"))

_STATES = frozenset(get_args(BoardState))
_FAULT_IDS = {fault.name: fault.wire_id for fault in FAULTS}


class BoardSource:
    """Holds the last known status of the board; a new DeviceStatusV1 is made only when something has changed."""

    def __init__(self, timezone: str, *, core_in_process: bool = False) -> None:
        """`core_in_process`: samples come from a core in this process, which has judged every value, and by no line;
        their records are built without validation."""
        self._zone = ZoneInfo(timezone)
        self._core_in_process = core_in_process
        self._meter, self._gas = WaterMeter(), GasMeter()
        self._reset_ts: datetime | None = None
        self._reset_cause: str | None = None
        self._firmware: str | None = None
        self._boot_id: int | None = None
        self._health: Health | None = None
        self._outputs = 0
        self._state = "UNKNOWN"
        self._connected = False
        self._status: DeviceStatusV1 | None = None
        self._settled: tuple[object, ...] = ()
        """What `_status` was made of, but for what changes with every look (time, free heap, tick)."""

    def resume(self, day: RecordedDay, now: datetime) -> None:
        """Today's water and CO2 go on from the records of an earlier process; records that lie ahead say nothing."""
        if day.ts <= now:
            self._meter.resume(day)
            self._gas.resume(day)

    def on_connected(self, event: Connected, now: datetime) -> None:
        """A board answers: since when it is up, and why it was reset."""
        hello = event.hello
        self._meter.on_boot(hello.boot_id)
        if hello.boot_id != self._boot_id:
            reset = now - timedelta(milliseconds=hello.uptime_ms)
            self._reset_ts = self._local(reset.replace(microsecond=0))
            self._health = None
        self._boot_id, self._firmware = hello.boot_id, hello.firmware
        self._reset_cause = RESET_CAUSES.get(hello.reset_cause, str(hello.reset_cause))
        self._connected = True

    def on_disconnected(self, now: datetime) -> DeviceStatusV1:
        """The board is disconnected; its outputs are not known any more and are shown as they were."""
        self._connected = False
        self._state = "UNKNOWN"
        return self._update(now)

    def on_health(self, health: Health, now: datetime) -> DeviceStatusV1:
        """The board reports its health."""
        self._health = health
        self._outputs, self._state = health.outputs, health.state
        if len(health.day_used) > PUMP.wire_id:
            self._meter.seed(float(health.day_used[PUMP.wire_id]))
        if len(health.day_used) > GAS.wire_id:
            self._gas.update(float(health.day_used[GAS.wire_id]))
        return self._update(now)

    def clock_was_set(self, now: datetime) -> None:
        """The wall clock was set to `now`: the water of today goes on, under the date that the day has now."""
        self._meter.set_day(self._local(now).date())

    def on_sample(self, sample: Sample, now: datetime, now_ms: int) -> tuple[ObservationV1, DeviceStatusV1]:
        """One set of readings, stamped with the time at which the board took it."""
        received = self._local(now)
        age_ms = now_ms - sample.host_ms
        taken = self._local(now - timedelta(milliseconds=age_ms)) if age_ms > 0.0 else received
        if not sample.backlog:
            self._outputs, self._state = sample.outputs, sample.state
            self._meter.update(sample.values.get("flow_ml"), taken)
        return self._observation(sample, taken, received), self._update(now)

    # -- inside ------------------------------------------------------------------------------------------------

    def _local(self, moment: datetime) -> datetime:
        """In the plant's time zone, to the millisecond."""
        local = stamped(moment, self._zone)
        return local.replace(microsecond=local.microsecond // 1000 * 1000)

    def _observation(self, sample: Sample, taken: datetime, now: datetime) -> ObservationV1:
        value_of, checked = sample.values.get, self._core_in_process
        fields: dict[str, Any] = {"ts": taken, "schema_version": "observation_v1", "origin": "board"}
        for name in _BEFORE_SOIL:
            fields[name] = value_of(name)
        fields["soil"] = tuple(_probe(sample, checked, *probe) for probe in PROBES)
        for name in _AFTER_SOIL:
            fields[name] = value_of(name)
        for name in _SWITCHES:  # the board sends 0 or 1, the record holds a flag
            value = fields[name]
            fields[name] = None if value is None else bool(value)
        fields["missing"] = {name: _reason(sample, name) for name in QUANTITIES if fields[name] is None}
        fields["board"] = _built(BoardStamp, checked)(
            boot_id=sample.boot_id, seq=sample.seq, t_ms=sample.t_ms, backlog=sample.backlog
        )
        fields["received_ts"] = now
        return _built(ObservationV1, checked)(**fields)

    def _update(self, now: datetime) -> DeviceStatusV1:
        """The status now; the same object as before when nothing but the time has changed."""
        settled = (
            self._outputs,
            self._known_state(),
            self._connected,
            self._reset_ts,
            self._reset_cause,
            self._boot_id,
            self._firmware,
            round(self._meter.used_ml, 1),
            self._gas.used_s(lambda: self._local(now).date()),
            self._health.faults if self._health else (),
        )
        if self._status is None or settled != self._settled:
            self._settled = settled
            self._status = self._make(now)
        return self._status

    def _known_state(self) -> str:
        return self._state if self._state in _STATES else "UNKNOWN"

    def _make(self, now: datetime) -> DeviceStatusV1:
        health = self._health
        on_off: dict[str, OnOff] = {row.name: "ON" if self._outputs >> row.wire_id & 1 else "OFF" for row in OUTPUTS}
        checked = self._core_in_process
        faults = health.faults if health else ()
        return _built(DeviceStatusV1, checked)(
            ts=self._local(now),
            schema_version="device_status_v1",
            outputs=_built(Outputs, checked)(**on_off),
            mcu_connected=self._connected,
            board_state=self._known_state(),
            last_reset_ts=self._reset_ts,
            reset_cause=self._reset_cause,
            boot_id=self._boot_id,
            water_ml_used_today=round(self._meter.used_ml, 1),
            co2_seconds_used_today=self._gas.used_s(lambda: self._local(now).date()),
            faults=tuple(
                _built(LatchedFault, checked)(id=_FAULT_IDS[name], name=name, cause="", t_ms=0) for name in faults
            ),
            weakened=health.weakened if health else (),
            free_heap_bytes=health.heap_free if health else None,
            safety_tick_worst_ms=health.tick_worst_us / 1000.0 if health else None,
            firmware_version=self._firmware,
        )


def _reason(sample: Sample, name: str) -> MissingReason:
    return REASON_OF.get(sample.why.get(name, ""), "invalid")


def _probe(sample: Sample, checked: bool, probe_id: str, pct: str, raw: str) -> SoilReading:
    count = sample.values.get(raw)
    value = sample.values.get(pct)
    return _built(SoilReading, checked)(
        id=probe_id,
        moisture_pct=value,
        raw=None if count is None else int(count),
        missing=_reason(sample, pct) if value is None else None,
    )


def _built(kind: type[_PartT], checked: bool) -> Callable[..., _PartT]:
    """How a part is built: with validation, or of checked values without."""
    return kind.from_checked if checked else kind
