"""The real board as the app sees it: builds everything of one pin map, and passes between pins and core."""

import gc
import sys
import time

import machine

from tomato.boards import config_of, sensor_id, this_board
from tomato.core.session import Identity
from tomato.hal import wait as waiting
from tomato.hal.flash_store import FlashStore, provision
from tomato.hal.flow import FlowCounter
from tomato.hal.link import Link
from tomato.hal.pins import OutputPins, Switch
from tomato.hal.sensors import Sensors
from tomato.hal.timer import Deadline
from tomato.hal.watchdog import Watchdog

SWITCH_SENSORS = ("reservoir_ok", "leak", "door_open")


class Hardware:
    """Everything of the board. Made once; outputs are off from the first line on."""

    def __init__(self, board=None):
        board = board or this_board()
        self.outputs = OutputPins(board.OUTPUT_PINS, board.LED_PIN, board.BUZZER_PIN)
        self.config = config_of(board)
        if board.PROVISION:
            provision(board)
        self.store = FlashStore(board.STATE_FOLDER)
        self.identity = Identity(
            self.store.next_boot_id(board.FIRST_BOOT_ID), board.NAME, machine.unique_id(), machine.reset_cause()
        )
        # An RP2 gives this cause for every reset by software, too (micropython#19409): there it says nothing.
        self.watchdog_reset = sys.platform != "rp2" and machine.reset_cause() == machine.WDT_RESET
        self.estop = Switch(*board.INPUT_PINS["estop"])
        self.button = Switch(*board.INPUT_PINS["button"])
        self.switches = tuple(
            (sensor_id(name), Switch(*board.INPUT_PINS[name])) for name in SWITCH_SENSORS if name in board.FITTED
        )
        self.flow = FlowCounter(board.FLOW_PIN, board.FLOW_PULL_UP)
        self.sensors = Sensors(board, self.config["fitted"], time.ticks_ms)
        self.deadline = Deadline(self.outputs, board.TIMER_IDS[0])
        self.link = Link()
        self.watchdog = Watchdog(board.TIMER_IDS[1])
        self.looked_us = time.ticks_us()

    def ticks_ms(self):
        """The wrapping millisecond counter."""
        return time.ticks_ms()

    def wait(self, idle_ms, turn_ticks):
        """Sleep until link bytes arrive or `idle_ms` are over since the turn began."""
        return waiting.until(idle_ms, self.link.sent_total, turn_ticks)

    def heap_free(self):
        """Collect garbage; how many bytes are free then."""
        gc.collect()
        return gc.mem_free()

    def shift(self, by_ms):
        """A new epoch has begun: see core.clock64."""
        self.sensors.due_ms -= by_ms
        self.deadline.shift(by_ms)

    def lines(self, now_ms, inputs):
        """Switches, flow count and pin read-back into the inputs: fast, every loop."""
        self.looked_us = time.ticks_us()
        inputs.estop = self.estop.read()
        inputs.button = self.button.read()
        inputs.flow_count = self.flow.read()
        inputs.pin_fault = self.outputs.mismatch()
        # What is answered now leaves after `act`: it says what the pins will do then.
        inputs.cut = 0 if self.deadline.over(now_ms) else self.outputs.cut_mask
        for sensor, switch in self.switches:
            inputs.put(sensor, switch.read(), now_ms)

    def sense(self, now_ms, core):
        """Start or collect sensor readings that are due."""
        self.sensors.poll(now_ms, core.inputs, core.config)

    def sense_due_ms(self, now_ms):
        """When `sense` has something to do."""
        return self.sensors.due_ms

    def act(self, now_ms, core):
        """Carry the core's decision to the pins, arm the timer for the soonest end, write flash when all is off.

        Keeps the longest way from looking at the switches to moving the pins in `core.tick_worst_us`.
        """
        if self.deadline.over(now_ms):
            self.outputs.uncut()
        self.outputs.apply(core.outputs)
        core.inputs.cut = self.outputs.cut_mask
        core.tick_worst_us = max(core.tick_worst_us, time.ticks_diff(time.ticks_us(), self.looked_us))
        self.outputs.signal(core.led, core.buzzer)
        end_ms = core.pulse_end_ms()
        self.deadline.arm(now_ms, end_ms, core.ending_in(end_ms))
        if core.save_due:
            core.save(now_ms)

    def apply(self, wanted):
        """Drive the outputs without the core, as when the loop ends."""
        self.outputs.apply(wanted)

    def fed(self):
        """Feed the watchdog."""
        self.watchdog.feed()

    def maintenance(self):
        """Outputs off for good, the watchdog kept fed: the console is in charge."""
        self.deadline.timer.deinit()
        self.outputs.apply(0)
        self.watchdog.maintenance()
