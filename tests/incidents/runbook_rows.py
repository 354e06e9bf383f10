"""A drill for each row of the runbook's tables: how it is provoked, and everything that the phone gets.

Keys are the first cells of docs/runbook.md. `test_runbook_rows.py` compares the two and runs each drill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tomato import contract as c
from tomato.app import App
from tomato.core.board import Core

from shared_schemas.devices import OUTPUT_BY_NAME
from tests.firmware_core.bench_hal import BenchHal
from tests.firmware_core.rig import MemoryStore, Rig, config_record
from tests.firmware_core.test_events import SENT_BY
from tests.incidents.host_drills import HOST
from tests.incidents.provoked import CoreDrill, LivedDrill, Reported, change, clear, dead, dry, hold, sensors, water
from tests.integration.scenario_run import Actuator

Told = tuple[str, str]
"""Level, and how the message begins."""


@dataclass(frozen=True, slots=True)
class RowDrill:
    """One drill of a row."""

    provoke: Callable[[Path], Reported]
    phone: tuple[Told, ...] = ()
    """Everything that the phone gets, in order."""
    silent: str = ""
    """Why nothing is sent, where nothing is."""
    records: tuple[str, ...] = ()
    """Names of anomalies and events that must be there; by default those of `phone` say enough."""
    slow: bool = False
    """True: many simulated hours; in `make soak`."""


def configured() -> Rig:
    """A core whose flash holds counters and configuration."""
    store = MemoryStore()
    store.records["config.a"] = config_record()
    return Rig(store)


def pin_that_does_not_follow() -> Core:
    rig = configured().leased()
    rig.core.inputs.pin_fault = 1 << c.OUT_WATER_PUMP
    rig.run(c.PIN_LATCH_MS + 100)
    return rig.core


def empty_flash() -> Core:
    return Rig(MemoryStore(provisioned=False)).core


def after_the_watchdog() -> Core:
    return App(BenchHal(reset_cause=3, watchdog_reset=True, store=configured().store)).core


def background_behind_the_leaf(hands: Actuator) -> None:
    hands.world.sensors._leaf_bias = 9.0


def pulled_out(hands: Actuator) -> None:
    sensors(probe_drift_pct=[-50.0, 0.0])(hands.world)


def bit(output: str) -> int:
    return 1 << OUTPUT_BY_NAME[output].wire_id


EARLY = 0.02
"""In the second minute: what the sensors show first is settled."""
OTHER_DECIDES = "the other probe decides; an ALARM only when it lasts twelve hours"
FOR_EXPLAIN = "nothing that harms within a day: dashboard, records, `tomato-host explain`"
AT_ONCE_BACK = "the board is back within seconds; three within an hour are an ALARM (`restarts`)"
LINK = (("WARNING", "The board does not answer: "), ("INFO", "Recovered: The board does not answer: "))

SCENARIOS: Mapping[str, RowDrill] = {
    "leak@0": RowDrill(
        LivedDrill("leak@0+0.2", 0.4, ((0.03, water(200)), (0.25, clear("leak")))),
        (("ALARM", "Leak. Dry the floor"), ("INFO", "Recovered: Leak")),
    ),
    "valve_stuck@0": RowDrill(
        LivedDrill("valve_stuck@0+0.1", 0.3, ((0.15, clear("stuck_valve")),)),
        (("ALARM", "Fault stuck_valve "), ("INFO", "Recovered: Fault stuck_valve ")),
    ),
    "pump_clog@0": RowDrill(
        LivedDrill("pump_clog@0", 1.6, ((0.03, water(200)), (0.75, water(200)), (1.35, water(200)))),
        (
            ("WARNING", "water_pump: pulse aborted, no_flow. "),
            ("WARNING", "water_pump: pulse aborted, no_flow. "),
            ("ALARM", "Fault no_flow "),
        ),
    ),
    "reservoir_empty@0": RowDrill(
        LivedDrill("reservoir_empty@0+0.2", 0.3),
        (("WARNING", "Reservoir low. Fill the reservoir"), ("INFO", "Recovered: Reservoir low")),
    ),
    "uneven_drippers@0": RowDrill(
        LivedDrill("uneven_drippers@0", 0.3, ((0.03, water(200)),)), silent="pots part over days; a task on the page"
    ),
    "sensor_dropout@0": RowDrill(
        LivedDrill("sensor_dropout@0+0.2", 0.3),
        (("WARNING", "Sensor disconnect (air_temp_c): "), ("INFO", "Recovered: Sensor disconnect (air_temp_c): ")),
    ),
    "probe_drift@0": RowDrill(
        LivedDrill("probe_drift@0", 10.0),
        (("WARNING", "Sensor fault (soil.P1): It rises while no water comes"),),
        slow=True,
    ),
    "probe_disconnect@0": RowDrill(
        LivedDrill("probe_disconnect@0+0.2", 0.4),
        (("WARNING", "Sensor disconnect (soil.P1): "), ("INFO", "Recovered: Sensor disconnect (soil.P1): ")),
    ),
    "probe_stuck@0": RowDrill(
        LivedDrill("probe_stuck@0", 1.2), (("WARNING", "Sensor fault (soil.P1): fault STUCK AT"),)
    ),
    "probe_jump@0.1": RowDrill(LivedDrill("probe_jump@0.1", 0.3), silent=OTHER_DECIDES, records=("SENSOR_FAULT",)),
    "heatwave@0": RowDrill(LivedDrill("heatwave@0", 3.0), (("WARNING", "Vpd high: vpd 2."),)),
    "cold_spell@0": RowDrill(
        LivedDrill("cold_spell@0", 1.5), silent=FOR_EXPLAIN, records=("RH_HIGH", "CONDENSATION", "VPD_LOW")
    ),
    "dry_inflow@0,heatwave@0": RowDrill(LivedDrill("dry_inflow@0,heatwave@0", 1.0), (("WARNING", "Vpd high: vpd 3."),)),
    "heatwave@0,wind_spike@0": RowDrill(LivedDrill("heatwave@0,wind_spike@0", 2.0), (("WARNING", "Vpd high: vpd 2."),)),
    "link_noise@0": RowDrill(LivedDrill("link_noise@0", 0.4), LINK, records=("noise",)),
    "link_cut@0.1": RowDrill(LivedDrill("link_cut@0.1+0.3", 0.6), LINK, records=("lease_lost",)),
    "host_kill@0.1": RowDrill(LivedDrill("host_kill@0.1+0.3", 0.6), LINK, records=("lease_lost",)),
    "board_reset@0": RowDrill(
        LivedDrill("board_reset@0", 0.2, ((0.03, water(200)),)), silent=AT_ONCE_BACK, records=("MCU_RESET",)
    ),
    "brownout@0.1": RowDrill(LivedDrill("brownout@0.1", 0.2), silent=AT_ONCE_BACK, records=("MCU_RESET",)),
}
"""Rows of "Drills by scenario", by what stands behind `--scenario`."""

ALARMS: Mapping[str, tuple[RowDrill, ...]] = {
    "`estop`": (
        RowDrill(
            LivedDrill("", 0.3, ((EARLY, change(estop=True)), (0.1, change(estop=False)), (0.12, clear("estop")))),
            (("ALARM", "Emergency stop pressed. "), ("INFO", "Recovered: Emergency stop pressed.")),
        ),
    ),
    "`over_temp`": (RowDrill(LivedDrill("", 0.2, ((EARLY, hold(air_c=39.5)),)), (("ALARM", "Fault over_temp "),)),),
    "`soil_hot`": (RowDrill(LivedDrill("", 0.2, ((EARLY, hold(soil_c=36.0)),)), (("ALARM", "Fault soil_hot "),)),),
    "`co2_high`": (RowDrill(LivedDrill("", 0.2, ((EARLY, hold(co2_ppm=6_000.0)),)), (("ALARM", "Fault co2_high "),)),),
    "`overrun`": (RowDrill(CoreDrill(pin_that_does_not_follow), (("ALARM", "Fault overrun "),)),),
    "`restarts`": (
        RowDrill(LivedDrill("brownout@0.1,brownout@0.2,brownout@0.3", 0.4), (("ALARM", "Fault restarts "),)),
    ),
    "`counters_lost`, `config_lost`": (
        RowDrill(CoreDrill(empty_flash), (("WARNING", "Fault counters_lost "), ("WARNING", "Fault config_lost "))),
    ),
    "`config_bounds`": (
        RowDrill(
            CoreDrill(SENT_BY["config_dropped"]), (("WARNING", "Fault config_bounds "),), records=("config_dropped",)
        ),
    ),
    "`watchdog_reset`": (RowDrill(CoreDrill(after_the_watchdog), (("WARNING", "Fault watchdog_reset "),)),),
    "ACTUATOR_NO_EFFECT": (
        RowDrill(
            LivedDrill("dry_inflow@0", 18.0, ((0.5, dead(bit("humidifier"))),)),
            (("WARNING", "Actuator no effect (humidifier): It is switched on and nothing changes. Check: "),),
            slow=True,
        ),
    ),
    "WATER_BLOCKED": (
        RowDrill(
            LivedDrill("valve_stuck@0+0.1", 0.2),
            (("ALARM", "Fault stuck_valve "),),
            records=("WATER_BLOCKED",),
        ),
        RowDrill(
            LivedDrill("valve_stuck@0+0.1", 1.1, prepare=dry),
            (
                ("ALARM", "Fault stuck_valve "),
                ("ALARM", "Water blocked: Without a person the plants get no water: stuck_valve has just latched"),
                ("ALARM", "For 1 h now: Water blocked: "),
            ),
        ),
    ),
    "SENSOR_FAULT REVERSED, UNRESPONSIVE": (
        RowDrill(
            LivedDrill("", 16.0, prepare=sensors(probe_mirrored=[True, False])),
            (("WARNING", "Sensor fault (soil.P1): It rises while no water comes, or falls when water comes. Check: "),),
            slow=True,
        ),
    ),
    "BOARD_FAULT": (
        RowDrill(LivedDrill("valve_stuck@0+0.1", 0.2), (("ALARM", "Fault stuck_valve "),), records=("BOARD_FAULT",)),
    ),
    "CO2_HIGH, CO2_LOW": (
        RowDrill(LivedDrill("", 0.2, ((EARLY, hold(co2_ppm=1_800.0)),)), (("WARNING", "Co2 high: co2 18"),)),
        RowDrill(LivedDrill("", 0.7, ((EARLY, hold(co2_ppm=285.0)),)), silent=FOR_EXPLAIN, records=("CO2_LOW",)),
    ),
    "SOIL_DRY, SOIL_WET": (
        RowDrill(
            LivedDrill("", 0.7, ((0.0, hold(theta_1=0.17, theta_2=0.17)),), partial(dry, theta=0.17)),
            (("WARNING", "Soil dry: soil avg 1"),),
        ),
        RowDrill(
            LivedDrill("", 0.7, ((EARLY, hold(theta_1=0.10, theta_2=0.10)),)), (("ALARM", "Soil dry (soil.P1): "),)
        ),
        RowDrill(
            LivedDrill("", 6.2, prepare=sensors(probe_drift_pct=[50.0, 50.0])),
            silent=FOR_EXPLAIN,
            records=("SOIL_WET",),
            slow=True,
        ),
    ),
    "SOIL_TEMP_HIGH, SOIL_TEMP_LOW": (
        RowDrill(LivedDrill("", 0.3, ((EARLY, hold(soil_c=29.5)),)), (("WARNING", "Soil temp high: soil temp 29"),)),
        RowDrill(LivedDrill("", 1.2, ((EARLY, hold(soil_c=11.0)),)), silent=FOR_EXPLAIN, records=("SOIL_TEMP_LOW",)),
    ),
    "LEAF_HOT": (
        RowDrill(
            LivedDrill("", 0.3, ((EARLY, background_behind_the_leaf),)), (("WARNING", "Leaf hot: leaf air delta "),)
        ),
    ),
    "VPD_LOW": (
        RowDrill(
            LivedDrill("", 1.2, ((EARLY, hold(vapour_g_m3=60.0)),)),
            (("WARNING", "Rh high: rh 9"),),
            records=("VPD_LOW",),
        ),
    ),
    "LIGHT_MISMATCH": (
        RowDrill(
            LivedDrill("", 3.0, ((0.1, dead(bit("light"))),)), (("WARNING", "Light mismatch: dark under lamp 310 s"),)
        ),
    ),
    "WATER_NOT_ARRIVING": (
        RowDrill(
            LivedDrill("", 1.0, ((EARLY, hold(theta_1=0.30, theta_2=0.30)), (0.04, water(200)))),
            (("WARNING", "Water not arriving: unanswered 197 ml, limit 99 ml. Look at pump, filter and hose"),),
        ),
    ),
    "DOOR_OPEN": (
        RowDrill(LivedDrill("", 0.4, ((0.1, change(door_open=True)),)), silent=FOR_EXPLAIN, records=("DOOR_OPEN",)),
    ),
    **{name: tuple(RowDrill(made, phone, silent) for made, phone, silent in drills) for name, drills in HOST.items()},
}
"""Rows of "Alarms that no scenario makes", by their first cells."""

RING: Mapping[str, RowDrill] = {
    name: RowDrill(CoreDrill(SENT_BY[name], only=name), phone, silent)
    for name, phone, silent in (
        ("boot", (), "a start is no trouble; `restarts` is"),
        ("counters", (), "fresh"),
        ("state", (), "a lapsed lease alone; SURVIVAL and FAULT come with link and fault"),
        ("lease_lost", (), "the link has a message of its own"),
        ("fault", (("WARNING", "Fault config_lost "), ("ALARM", "Fault over_temp ")), ""),
        ("fault_cleared", (), "nobody was told of the fault"),
        ("estop", (("ALARM", "Emergency stop pressed. "), ("INFO", "Recovered: Emergency stop pressed.")), ""),
        ("sensor_lost", (("WARNING", "The board gets no value from rh_pct: "),), ""),
        ("sensor_back", (), "nobody was told of the loss"),
        ("bus_recovered", (("WARNING", "No part on the sensor bus answered; "),), ""),
        ("watchdog", (("WARNING", "A task of the board (sensors) took 500 ms; "),), ""),
        ("save_failed", (("WARNING", "The board could not write its flash; "),), ""),
        ("pulse_start", (), "routine"),
        ("pulse_end", (), "routine"),
        ("pulse_aborted", (), "ended by STOP; one for want of flow is a WARNING (`pump_clog`)"),
        ("survival", (), "what the board did by itself; the link has a message of its own"),
        ("forced", (("WARNING", "The board forces ventilation: "),), ""),
        ("button", (), "somebody stands there"),
        ("manual", (), "somebody stands there"),
        ("config", (), "what a person has set"),
        ("config_dropped", (("WARNING", "The board's stored survival_dose_ml = 251 "),), ""),
    )
}
"""Rows of "What the board reports", by event; each alone, so that what explains it in a real run is missing."""
