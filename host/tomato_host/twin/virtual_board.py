"""The virtual board: the real firmware in a MicroPython VM, its pins in a simulated tent, its line on a pty.

Time passes only through `run_to`, for lock step and for the wall clock alike. All times are ms since the start of the
world; the board's own clock starts from zero at each of its boots.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.twin import vm_channel, vm_process
from tomato_host.twin.firmware_files import firmware_dir
from tomato_host.twin.preview import Preview
from tomato_host.twin.sensors import to_block
from tomato_host.twin.serial_link import SimulatedLine
from tomato_host.twin.vm.ports import DEFAULT
from tomato_host.twin.vm_process import VmProcess, VmSettings
from tomato_host.twin.wiring import Wiring, read_wiring
from tomato_host.twin.world import PUMP_BIT, World

BOOT_MS = 400
"""From power to the first line of boot.py, USB enumeration included."""
RESET_INTO_PULSE_MS = 700
CRASHES_IN_A_ROW = 8
QUICK_MS = 5_000
"""A reset so soon after a boot counts as a crash."""
NEVER_MS = 1 << 62
SAFETY_TICK_MS = 50
INPUTS = ("reservoir_ok", "leak", "door_open", "estop", "button")
ASKING = (vm_channel.WAIT, vm_channel.NEED_VALUES, vm_channel.RESET)


class VirtualBoard:
    """Processor, flash and line of one board in its world."""

    def __init__(
        self,
        world: World,
        flash: Path | None = None,
        firmware: Path | None = None,
        heap: str = "480K",
        skip_idle: bool = True,
        lookahead: bool = True,
        port: str = "",
        stay_at_prompt: bool = False,
        ticks_from: int = 0,
    ) -> None:
        """`flash` keeps what the board stores (default: a directory that goes with this object).

        Without `skip_idle` the board wakes for every safety tick, without `lookahead` every wait of the board is an
        exchange with the VM: both are references, to show that what is left out changes nothing.

        `port` (such as "esp32-1.28") makes it a board of that kind, with its own pin map; "" is the virtual board,
        whose `machine` is that of rp2-1.28. `ticks_from` is what its millisecond counter holds at power-on.
        A firmware that ends at the prompt is an error unless `stay_at_prompt`.
        Raises TomatoError when there is no VM, no firmware, or when the firmware does not stay alive.
        """
        self.world = world
        self._temporary = None if flash else tempfile.TemporaryDirectory(prefix="tomato-board-")
        home = flash or Path(self._temporary.name if self._temporary else ".")
        files = firmware or firmware_dir()
        platform = port.partition("-")[0]
        self._wiring: Wiring = read_wiring(files, platform)
        self._settings = VmSettings(
            files,
            home.resolve() / "flash",
            heap,
            0 if skip_idle else SAFETY_TICK_MS,
            flow_gpio=self._wiring.flow_gpio,
            port=port or DEFAULT,
            platform=platform,
            ticks_from=ticks_from,
        )
        self._stay_at_prompt = stay_at_prompt
        self.serial_link = SimulatedLine(world.serial_link, world.rng)
        self.port_path = self.serial_link.port_path
        self._preview = Preview(world)
        self._lookahead = lookahead
        self._begin()

    def _begin(self) -> None:
        """Before the first power-on: no time has passed, nothing has happened."""
        self.at_prompt = False
        """True when the firmware has ended and MicroPython's prompt is in charge."""
        self.now_ms = 0
        self.boots = 0
        self.resets: list[tuple[int, int]] = []
        """(moment, cause) of every reset after the first power-on."""
        self.heap_used: list[tuple[int, int]] = []
        """(moment, bytes) each time `ask_heap` was answered."""
        self._vm: VmProcess | None = None
        self._cause = vm_process.POWER_ON
        self._boot_at_ms = 0
        self._reset_at_ms = NEVER_MS
        self._crashes = 0
        self._cpu: int | None = None
        self._pulses = 0
        self._announced = 0
        self._ask_heap = False
        self.exchanges = 0
        """Turns taken with the VM so far: answers to its waits and questions."""
        self._until_ms = 0
        self._input_states: tuple[bool, ...] = ()
        self._input_word = 0
        self._clear_wait()

    def _clear_wait(self) -> None:
        self._due_ms = NEVER_MS
        self._on_bytes = False
        self._unannounced = 0
        self._sent = 0
        self._levels = -1

    @property
    def vm_pid(self) -> int | None:
        """Process id of the running VM, None while the board has no power."""
        return self._vm.pid if self._vm else None

    def ask_heap(self) -> None:
        """Have the board tell its heap use at its next wake; the answer goes to `heap_used`."""
        self._ask_heap = True

    def receive(self, data: bytes) -> None:
        """Bytes that reach the board's line at `now_ms`; a board without power does not hear them."""
        if not data or self._vm is None:
            return
        try:
            self._unannounced += self._vm.link.send(data)
        except OSError:
            return  # the board's buffer is full: bytes are lost, as on a UART

    def next_due_ms(self) -> int:
        """The next moment at which anything must happen."""
        if self._vm is None:
            return self._boot_at_ms
        if self._unannounced and self._on_bytes:
            return self.now_ms
        due = min(self._due_ms, self._reset_at_ms, self.world.next_change_ms())
        if self.world.flowing:
            due = min(due, self._next_tick_ms())
        return max(due, self.now_ms)

    def _next_tick_ms(self) -> int:
        """The end of the running safety tick in the board's own time."""
        board_ms = self.now_ms - self._boot_at_ms
        return self._boot_at_ms + (board_ms // SAFETY_TICK_MS + 1) * SAFETY_TICK_MS

    def run_to(self, until_ms: int) -> int:
        """Let time pass to `until_ms`, or to the first moment at which bytes for the host are on the line.

        Returns how many bytes were put on the line at `now_ms`.
        """
        self._until_ms = until_ms
        while True:
            due = self.next_due_ms()
            if due > until_ms:
                self.now_ms = max(self.now_ms, until_ms)
                self.world.advance_grid(self.now_ms)
                return 0
            self.now_ms = due
            self.world.advance_grid(due)
            if self.world.power.brownout:
                self.world.power.brownout = False
                self.power_cycle(vm_process.BROWN_OUT)
            elif due >= self._reset_at_ms:
                self.power_cycle(vm_process.POWER_ON)
            elif self._vm is None:
                self._boot()
            else:
                levels = self._input_levels()
                changed = self._levels != levels
                if due >= self._due_ms or (self._on_bytes and (self._unannounced or changed or self._flow_waits())):
                    self._wake(levels, changed)
            count = self._carry_up()
            if count:
                return count

    def _flow_waits(self) -> bool:
        return self.world.flow_pulses(self.now_ms) != self._pulses

    def _input_levels(self) -> int:
        world = self.world
        states = (world.reservoir_ok, world.leak, world.door_open, world.estop, world.button)
        if states != self._input_states:
            self._input_states = states
            self._input_word = self._wiring.levels(**dict(zip(INPUTS, states, strict=True)))
        return self._input_word

    def _wake(self, levels: int, changed: bool) -> None:
        vm = self._vm
        assert vm is not None
        pulses = self.world.flow_pulses(self.now_ms)
        new = min(255, max(0, pulses - self._pulses))
        flags = (vm_channel.GO_INPUTS if changed or new else 0) | (vm_channel.GO_HEAP if self._ask_heap else 0)
        self._ask_heap = False
        ready, self._unannounced = self._unannounced, 0
        self._levels = levels
        self._pulses += new
        self.exchanges += 1
        now_ms = self.now_ms
        alone_ms, values = self._foresee(levels)
        try:
            vm.channel.answer(flags, new, ready, levels, now_ms - self._boot_at_ms, alone_ms, *values)
            self._serve(vm)
        except vm_channel.VmGone:
            self._crashed(vm_process.POWER_ON)
        except vm_channel.VmHangs:
            self._crashed(vm_process.WATCHDOG_BITE)

    def _foresee(self, levels: int) -> tuple[int, tuple[int, ...]]:
        """Until when the board may go on alone, and the values for the moment it is due next, in its own time."""
        if not self._lookahead or self.world.flowing or self._flow_waits():
            return -1, vm_channel.NO_VALUES
        at_ms = max(self._due_ms, self.now_ms)
        block = None
        if at_ms <= self._until_ms and at_ms < self._reset_at_ms:
            block = self._preview.block(at_ms, self._input_levels)
        if block is None:
            return self._alone_until_ms(levels), vm_channel.NO_VALUES
        at_ms -= self._boot_at_ms
        return max(at_ms, self._alone_until_ms(self._input_levels())), (at_ms, *block)

    def _alone_until_ms(self, levels: int) -> int:
        """Until when the board may go on without an exchange, in its own time; before its present: not at all.

        Nothing that reaches the board changes before the next step of the world, an end of power, or what the host
        may write at `until_ms`, as long as no water runs through the meter and the inputs are those it knows.
        """
        world = self.world
        if not self._lookahead or world.flowing or levels != self._levels or self._flow_waits():
            return -1
        return min(self._until_ms, world.next_change_ms() - 1, self._reset_at_ms - 1) - self._boot_at_ms

    def _serve(self, vm: VmProcess) -> None:
        """Handle what the VM sends until it waits again or resets."""
        receive, boot_ms = vm.channel.receive, self._boot_at_ms
        earlier: list[tuple[int, int, int, int, int]] = []
        while True:
            kind, a, b, c, t_ms, passed_ms = receive()
            if kind in ASKING:
                self._preview.settle(used=bool(b))
                if boot_ms + passed_ms > self.now_ms:
                    self.now_ms = boot_ms + passed_ms
                if earlier:
                    self._note(earlier)
                    earlier.clear()
            if kind == vm_channel.WAIT:
                self._due_ms = boot_ms + t_ms
                self._on_bytes = bool(a)
                self._announced = c
                return
            if kind == vm_channel.NEED_VALUES:
                self.exchanges += 1
                block = to_block(self.world.readings(boot_ms + t_ms))
                vm.channel.answer(0, 0, 0, 0, 0, self._alone_until_ms(self._input_levels()), t_ms, *block)
            elif kind == vm_channel.RESET:
                self._on_reset(a)
                return
            else:
                earlier.append((kind, a, b, c, boot_ms + t_ms))

    def _note(self, records: list[tuple[int, int, int, int, int]]) -> None:
        """What the board did before it asked; kept until then, because the world's time may first have to go back."""
        for kind, a, b, c, t_ms in records:
            if kind == vm_channel.PIN:
                self._pin(b, a, t_ms)
            elif kind == vm_channel.PROMPT:
                self.at_prompt = True
                if not self._stay_at_prompt:
                    self._give_up()
            elif kind == vm_channel.HEAP:
                self.heap_used.append((self.now_ms, c))

    def _on_reset(self, cause: int) -> None:
        self._announced = vm_channel.SENT_UNKNOWN
        if self.now_ms - self._boot_at_ms < QUICK_MS:
            self._crashed(cause)
        else:
            self._crashes = 0
            self.power_cycle(cause, registers_lost=False)

    def _pin(self, gpio: int, level: int, t_ms: int) -> None:
        wire_id = self._wiring.output_of_gpio.get(gpio)
        if wire_id is None:
            return
        self.world.set_output(wire_id, bool(level), t_ms)
        if level and 1 << wire_id == PUMP_BIT and self.world.power.reset_on_pump:
            self.world.power.reset_on_pump = False
            self._reset_at_ms = t_ms + RESET_INTO_PULSE_MS

    def _carry_up(self) -> int:
        """Put what the board has written on the line; returns the number of bytes that went through."""
        vm = self._vm
        if vm is None:
            return 0
        if self._announced == vm_channel.SENT_UNKNOWN:
            data = vm.read_link()
        else:
            data = vm.read_link(self._announced - self._sent)
            self._sent = self._announced
        return self.serial_link.up(data) if data else 0

    def power_cycle(self, cause: int = vm_process.POWER_ON, registers_lost: bool = True) -> None:
        """Take the power away now; the board boots again after BOOT_MS. Its flash keeps its contents.

        A reset without a power cut leaves the chip's registers: `registers_lost` False.
        """
        self.power_off()
        if registers_lost:
            self._settings.retained.unlink(missing_ok=True)
        self.resets.append((self.now_ms, cause))
        self._cause = cause
        self._boot_at_ms = self.now_ms + BOOT_MS

    def power_off(self) -> None:
        """No power: outputs fall off, the processor stops."""
        self._preview.settle(used=False)
        if self._vm:
            self._vm.cut_power()
            self._vm = None
        self.world.all_off(self.now_ms)
        self._reset_at_ms = NEVER_MS
        self._boot_at_ms = NEVER_MS
        self._clear_wait()

    def _boot(self) -> None:
        self._boot_at_ms = self.now_ms
        self.at_prompt = False
        self._pulses = self.world.flow_pulses(self.now_ms)
        self._announced = 0
        self.boots += 1
        self._vm = VmProcess(self._settings, self._cause)
        if self._cpu is not None:
            self.pin_to(self._cpu)
        try:
            self._serve(self._vm)  # start.py asks for the first levels
        except (vm_channel.VmGone, vm_channel.VmHangs):
            self._crashed(vm_process.POWER_ON)

    def _crashed(self, cause: int) -> None:
        """The processor stopped without asking for a reset: it starts again, as a board would, a few times."""
        self._crashes += 1
        if self._crashes >= CRASHES_IN_A_ROW:
            self._give_up()
        self.power_cycle(cause, registers_lost=False)

    def _give_up(self) -> None:
        words = self._last_words()
        self.close()
        raise TomatoError(
            "E-TWIN-CRASHED",
            f"The firmware does not stay alive: {words}.",
            "Run `tomato-host doctor`; look at board.stderr beside the board's flash directory.",
        )

    def _last_words(self) -> str:
        """The last line the VM or the firmware's own error file holds."""
        flash = self._settings.flash
        for told in (flash / "last_error.txt", flash.parent / "board.stderr"):
            lines = told.read_text(errors="replace").strip().splitlines() if told.exists() else []
            if lines:
                return lines[-1]
        return "no message"

    def pin_to(self, cpu: int) -> None:
        """Keep the VM on one processor core, beside the process that drives it: a quarter of the switching cost."""
        self._cpu = cpu
        if self._vm and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._vm.pid, {cpu})

    def close(self) -> None:
        """Switch off for good and take the port away."""
        self.power_off()
        self.serial_link.close()
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None
