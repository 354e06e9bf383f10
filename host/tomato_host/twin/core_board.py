"""The board of a simulated tent on CPython: the firmware's own core between the tent's sensors and its relays.

This is the board for campaigns and learning, where the line and its bytes would only cost time. Every decision -
interlocks, budgets, pauses, faults, survival, flash writes - is the core's; nothing of it is written a second time.
What stands here is what a board's hardware does: sensors measure, switches close, relays move, flash stores, power
fails.
`virtual_board.py` does the same for the whole firmware in a MicroPython VM; `tests/twin/test_one_simulator.py` drives
both with one hostile sequence and compares.

Time passes only through `run_to`. With `skip_idle` the core is ticked at its due moments alone (`core_due.py`), and the
renewals of the lease between two of them are made as one. Without it the safety tick comes every 50 ms and the host
renews every 2 s, as on a real board. All times are ms since the start of the world unless named `board_ms`.
"""

from __future__ import annotations

from typing import Any, Final

from shared_schemas.wire import FIELD_BY_NAME, MESSAGE_BY_NAME
from shared_schemas.wire.fields import FIELDS
from tomato_host.board import decoding
from tomato_host.board.events import Health, Result, Sample
from tomato_host.twin.core_due import DueMoments
from tomato_host.twin.firmware_core import load_core
from tomato_host.twin.sensor_bus import SensorBus
from tomato_host.twin.world import PUMP_BIT, World

BOOT_MS: Final = 400
"""From power to the first tick, as on the virtual board."""
RESET_INTO_PULSE_MS: Final = 700
RENEW_MS: Final = 2_000
"""How often a host renews its lease."""
STRETCH_MS: Final = 1_000_000
"""Longer than any two due moments are apart."""
NEVER_MS: Final = 1 << 62
SENSE_PERIOD_MS: Final = 60_000
"""A round of readings a minute is enough for a tent's air and soil; the real board takes one every 10 s."""

_NAME_OF = {field.key: field.name for field in FIELDS}
_NOTHING_LOST = dict.fromkeys(("heap_free", "rx_bad", "tx_dropped", "retained", "lost"), 0)


class MemoryFlash:
    """What the board stores, in memory; it outlives a reset."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        """The bytes of a record, or None."""
        return self._records.get(name)

    def write(self, name: str, record: bytes) -> bool:
        """Store a record; always succeeds."""
        self._records[name] = bytes(record)
        return True


class CoreBoard:
    """The firmware's core in its world. Power comes on at the world's present moment."""

    def __init__(self, world: World, sense_period_ms: int = SENSE_PERIOD_MS, skip_idle: bool = True) -> None:
        """Raises TomatoError `E-TWIN-NO-FIRMWARE` without the firmware's files."""
        self.firmware = load_core()
        self.world = world
        self.flash = MemoryFlash()
        self.firmware.provision(self.flash)
        self.now_ms = world.now_ms
        self.boots = 0
        self.core: Any = None
        """The running core; None while the board has no power."""
        self._sense_period_ms, self._skip_idle = sense_period_ms, skip_idle
        self._tick_ms: int = self.firmware.contract.SAFETY_TICK_MS
        self._host_renews = False
        self._ended: list[Result] = []
        self._seen = self.world.switches()
        self._flow_ml_s = 0.0
        self._seq = 0
        self._reset_at_ms = NEVER_MS
        self._held = False
        self._boot_at_ms = self._due_ms = self._core_due_ms = self.now_ms
        self.run_to(self.now_ms)

    # -- the host's side

    @property
    def host_renews(self) -> bool:
        """Whether a host is there that renews its lease as long as the line lets it."""
        return self._host_renews

    @host_renews.setter
    def host_renews(self, there: bool) -> None:
        if self._held:
            self._let_lease_run(self.now_ms, self.now_ms // RENEW_MS * RENEW_MS)
        self._host_renews = there
        self._plan()

    def command(self, name: str, **fields: Any) -> Result | None:
        """One message of the wire's table, by names, at `now_ms`; None when the line or the board is dead.

        It goes the way of a message after its frame: checked against the table, then `Core.command`. The answer's
        `cmd_id` is 0 when the message had none.
        """
        if self.core is None or self.deaf:
            return None
        type_id = MESSAGE_BY_NAME[name].type_id
        message = {FIELD_BY_NAME[key].key: value for key, value in fields.items()}
        self._meet_moment(self.now_ms)
        reason = self.firmware.check_message(type_id, message)
        contract = self.firmware.contract
        if reason:
            answer = {contract.F_STATUS: contract.STATUS_REJECTED, contract.F_REASON: reason, contract.F_DELIVERED: 0}
        else:
            answer = self.core.command(self._board_ms(self.now_ms), {**message, contract.F_TYPE: type_id})
        self._tick(self.now_ms)
        return _result({contract.F_CMD_ID: fields.get("cmd_id", 0), **answer})

    def take_ended(self) -> list[Result]:
        """Results of pulses that ended since the last call, in order. A pulse that a reset ends has no result."""
        ended, self._ended = self._ended, []
        return ended

    @property
    def has_ended(self) -> bool:
        """Whether `take_ended` has something to return."""
        return bool(self._ended)

    def measure(self) -> None:
        """Take a round of readings now, and let the board judge it."""
        if self.core is None:
            return
        board_ms = self._meet_moment(self.now_ms)
        readings = self.world.readings(self.now_ms)
        self._bus.start(board_ms, readings, self.core.inputs)
        self._bus.collect(board_ms, readings, self.core)
        self._sense_at_ms = self.now_ms + self._sense_period_ms + self._bus.COLLECT_AFTER_MS
        self._tick(self.now_ms)

    def tick(self) -> None:
        """Let the safety tick come now, whether it is due or not."""
        if self.core is not None:
            self._meet_moment(self.now_ms)
            self._tick(self.now_ms)

    def sample(self) -> Sample:
        """What a sample of this moment holds. Raises RuntimeError while the board has no power."""
        if self.core is None:
            raise RuntimeError("the board has no power")
        board_ms = self._board_ms(self.now_ms)
        fields = self._bus.sample_fields(self.core, board_ms, self._seq)
        self._seq += 1
        return decoding.sample(fields, self.boots, float(self.now_ms), backlog=False)

    def health(self) -> Health:
        """The board's own condition at its last tick. Raises RuntimeError while it has no power."""
        if self.core is None:
            raise RuntimeError("the board has no power")
        told = self.core.health(self._board_ms(self.now_ms))
        if self._held:
            told[self.firmware.contract.F_LEASE_MS] = self.firmware.contract.LEASE_MS - self.now_ms % RENEW_MS
        return decoding.health({_NAME_OF[key]: value for key, value in told.items()} | _NOTHING_LOST)

    @property
    def news(self) -> tuple[int, int]:
        """What `health` tells and no sample: latched faults, and the day's CO2 in s. Equal as long as both are."""
        core = self.core
        if core is None:
            return (0, 0)
        return core.faults.latched, core.used.day.total[self.firmware.contract.OUT_CO2_SOLENOID] // 1_000

    @property
    def deaf(self) -> bool:
        """Whether nothing passes the line."""
        return self.world.serial_link.cut or self.world.serial_link.host_dead

    @property
    def board_ms(self) -> int:
        """The board's own time: ms since its boot."""
        return self._board_ms(self.now_ms)

    @property
    def latched(self) -> int:
        """Mask of latched faults; 0 without power."""
        return self.core.faults.latched if self.core is not None else 0

    # -- time

    def run_to(self, until_ms: int, until_result: bool = False) -> None:
        """Let time pass to `until_ms`, what is due then included; with `until_result` no further than to one."""
        world = self.world
        if self.core is not None and world.switches() != self._seen:
            # Somebody has pressed or spilt something since: the next safety tick sees it.
            self._due_ms = min(self._due_ms, self._next_tick_ms(self.now_ms))
        while True:
            moment = min(self._due_ms, self._reset_at_ms)
            change_ms = world.next_change_ms()
            if change_ms <= moment and change_ms <= until_ms:
                noticing = until_result and self._ended
                world.advance_unnoticed(change_ms if noticing else min(moment, until_ms))
                moment = world.now_ms
            elif moment > until_ms:
                self.now_ms = max(self.now_ms, until_ms)
                return
            self.now_ms = max(self.now_ms, moment)
            self._meet_change(moment)
            if until_result and self._ended:
                return

    def _meet_change(self, moment: int) -> None:
        """What happens at a moment at which the board or its surroundings have something to do."""
        power = self.world.power
        if power.brownout:
            power.brownout = False
            self.power_cycle()
        elif moment >= self._reset_at_ms:
            self.power_cycle()
        elif self.core is None:
            if moment >= self._due_ms:
                self._boot()
        elif (seen := self.world.switches()) != self._seen:
            self._catch_up(moment - 1)
            self._seen = seen
            self._step(moment)
        elif moment >= self._due_ms:
            self._step(moment)
        elif self.world.flow_ml_s != self._flow_ml_s:
            self._plan()

    def power_cycle(self) -> None:
        """Power fails for a moment now: relays fall off, the core forgets, flash stays."""
        self.world.all_off(self.now_ms)
        self.core = None
        self._held = False
        self._reset_at_ms = NEVER_MS
        self._due_ms = self._boot_at_ms = self.now_ms + BOOT_MS

    def _boot(self) -> None:
        self._boot_at_ms = self.now_ms
        self.boots += 1
        self._seq = 0
        self.core = self.firmware.board.Core(self.firmware.config, self.flash)
        self._moments = DueMoments(self.firmware.contract, self.core)
        self._bus = SensorBus(self.firmware)
        self._sense_at_ms = self._core_due_ms = self.now_ms
        self._flow_at_boot = self.world.flow_pulses(self.now_ms)
        self._renew_at_ms = -(-self.now_ms // RENEW_MS) * RENEW_MS
        self._held = False
        self._flow_ml_s = 0.0
        self._seen = self.world.switches()
        self._step(self.now_ms)

    def _step(self, now_ms: int) -> None:
        """One turn of the firmware's loop: switches, the host's word, sensors, the safety tick, pins."""
        if now_ms >= self._sense_at_ms and now_ms < self._core_due_ms and self._start_round(now_ms):
            return
        held = self._held
        board_ms = self._read_lines(now_ms)
        if not held and now_ms >= self._renew_at_ms:
            self._renew(board_ms)
        if now_ms >= self._sense_at_ms:
            self._sense(now_ms, board_ms)
        self._tick(now_ms)

    def _start_round(self, now_ms: int) -> bool:
        """Start a round of readings that the core does not notice: it needs no tick. False when there is none."""
        bus = self._bus
        if bus.started or bus.loses_at_start(self.world.sensors.faults):
            return False
        bus.start(self._board_ms(now_ms), self.world.readings(now_ms), self.core.inputs)
        self._sense_at_ms = now_ms + bus.COLLECT_AFTER_MS
        self._due_ms = max(now_ms, min(self._core_due_ms, self._sense_at_ms))
        return True

    def _catch_up(self, until_ms: int) -> None:
        """Before an input changes: the last safety tick that still saw it as it was.

        The core counts what passes between two ticks for the inputs of the second, and a button held for 50 ms must
        not count as held since the last due moment.
        """
        if self._held:
            self._let_lease_run(self.now_ms)
        tick_ms = self._next_tick_ms(until_ms) - self._tick_ms
        if tick_ms > self._boot_at_ms + self.core.now_ms:
            self.core.tick(self._read_lines(tick_ms))
            self._act(tick_ms)

    def _tick(self, now_ms: int) -> None:
        self.core.tick(self._board_ms(now_ms))
        self._act(now_ms)
        self._plan()

    def _sense(self, now_ms: int, board_ms: int) -> None:
        """Start a round of readings, or collect it."""
        bus = self._bus
        if bus.started:
            bus.collect(board_ms, self.world.readings(now_ms), self.core)
            self._sense_at_ms = now_ms + self._sense_period_ms - bus.COLLECT_AFTER_MS
        else:
            bus.start(board_ms, self.world.readings(now_ms), self.core.inputs)
            self._sense_at_ms = now_ms + bus.COLLECT_AFTER_MS

    def _act(self, now_ms: int) -> None:
        """Bring the core's decision to the relays and to flash."""
        core, world = self.core, self.world
        changed = core.outputs ^ world.outputs
        while changed:
            output = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            on = bool(core.outputs >> output & 1)
            world.set_output(output, on, now_ms)
            if on and 1 << output == PUMP_BIT and world.power.reset_on_pump:
                world.power.reset_on_pump = False
                self._reset_at_ms = now_ms + RESET_INTO_PULSE_MS
        if core.save_due:
            core.save(self._board_ms(now_ms))
        while (row := core.next_result()) is not None:
            self._ended.append(_result(row))

    def _meet_moment(self, now_ms: int) -> int:
        """Switches and the flow meter into the core's inputs, the lease up to now; returns the board's time."""
        seen = self.world.switches()
        if seen != self._seen:
            self._catch_up(now_ms)
            self._seen = seen
        return self._read_lines(now_ms)

    def _read_lines(self, now_ms: int) -> int:
        """As `_meet_moment`, with the switches as they are in `_seen`."""
        board_ms = now_ms - self._boot_at_ms
        inputs, contract = self.core.inputs, self.firmware.contract
        leak, reservoir_ok, door_open, inputs.estop, inputs.button, _ = self._seen
        inputs.flow_count = self._pulses = self.world.flow_pulses(now_ms) - self._flow_at_boot
        inputs.put(contract.S_RESERVOIR_OK, reservoir_ok, board_ms)
        inputs.put(contract.S_LEAK, leak, board_ms)
        inputs.put(contract.S_DOOR_OPEN, door_open, board_ms)
        if self._held:
            self._let_lease_run(now_ms)
        return board_ms

    # -- the lease

    def _renew(self, board_ms: int) -> None:
        """The host asks for its lease; once it holds it, this one renewal stands for all that follow."""
        if self._host_renews and not self.deaf:
            contract = self.firmware.contract
            self.core.command(board_ms, {contract.F_TYPE: contract.M_LEASE, contract.F_LEASE_MS: contract.LEASE_MS})

    def _let_lease_run(self, now_ms: int, last_ms: int | None = None) -> None:
        """All renewals before now at once: the lease runs since the last of them, `last_ms`."""
        passed_ms = self._board_ms(now_ms) - self.core.now_ms
        since_ms = now_ms - ((now_ms - 1) // RENEW_MS * RENEW_MS if last_ms is None else last_ms)
        self.core.lease_ms = self.firmware.contract.LEASE_MS - since_ms + passed_ms
        self.core.alone_ms = since_ms - passed_ms
        self._held = False

    # -- what is due

    def _plan(self) -> None:
        """Work out when the board must be stepped next."""
        core = self.core
        if core is None:
            return
        now_ms, contract = self.now_ms, self.firmware.contract
        renews = self._host_renews and not self.deaf
        if self._renew_at_ms <= now_ms:
            self._renew_at_ms = (now_ms // RENEW_MS + 1) * RENEW_MS
        able = core.lease_ms > 0 and core.state in (contract.STATE_LEASED, contract.STATE_FAULT)
        self._held = self._skip_idle and renews and able
        if self._held:
            core.lease_ms = STRETCH_MS
        due = self._renew_at_ms if renews and not self._held else NEVER_MS
        if self._skip_idle:
            due = min(due, self._boot_at_ms + self._moments.next_ms())
            self._flow_ml_s = self.world.flow_ml_s
            if self._flow_ml_s > 0.0:
                due = min(due, self._flow_due_ms(now_ms))
        else:
            due = min(due, self._boot_at_ms + core.next_due_ms(core.now_ms), self._next_tick_ms(now_ms))
        self._core_due_ms = due if self._skip_idle else now_ms
        self._due_ms = max(now_ms, min(due, self._sense_at_ms))

    def _flow_due_ms(self, now_ms: int) -> int:
        """The safety tick that sees the flow meter's next pulse."""
        pulse_ms = self.world.flow_pulse_due_ms(self._pulses + self._flow_at_boot + 1)
        return self._boot_at_ms - (self._boot_at_ms - max(pulse_ms, now_ms + 1)) // self._tick_ms * self._tick_ms

    def _next_tick_ms(self, now_ms: int) -> int:
        return self._boot_at_ms + ((now_ms - self._boot_at_ms) // self._tick_ms + 1) * self._tick_ms

    def _board_ms(self, now_ms: int) -> int:
        return now_ms - self._boot_at_ms


def _result(row: dict[int, Any]) -> Result:
    return decoding.result({_NAME_OF[key]: value for key, value in row.items()})
