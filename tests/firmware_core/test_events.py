"""Every live event is sent by the real firmware; no reserved code is; the host words each and the docs have each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tomato import contract as c
from tomato.app import LATE_MS, LATE_PAUSE_MS, App
from tomato.core.board import Core
from tomato.core.inputs import LOST_AFTER
from tomato_host.board.event_text import TEXTS, describe
from tomato_host.board.events import BoardEvent

from shared_schemas.wire import EVENTS, FAULTS, REASON_TABLE, RESERVED_EVENTS, RESET_CAUSES, WHY_TABLE
from tests.firmware_core.bench_hal import BenchHal
from tests.firmware_core.rig import MemoryStore, Rig, config_record, in_state

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
DICTIONARY = (ROOT / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
LIVE_EVENTS = [name for name, _, _ in EVENTS if name not in RESERVED_EVENTS]


def of(core: Core, name: str) -> list[tuple[int, int]]:
    """(a, b) of every retained event of one kind."""
    number = [row[0] for row in EVENTS].index(name)
    return [tuple(core.events.at(i)[3:5]) for i in range(core.events.count) if core.events.at(i)[2] == number]


def app(**kwargs: object) -> App:
    made = App(BenchHal(**kwargs))  # type: ignore[arg-type]
    made.turn()
    return made


def boot() -> Core:
    return app(reset_cause=3).core


def late_task() -> Core:
    made = app()
    made.hal.hooks["sense"] = lambda: setattr(made.hal, "ticks", made.hal.ticks + LATE_MS)
    made.turn()
    return made.core


def lost_and_back() -> Core:
    rig = in_state("ready")
    rig.readings[c.S_RH_PCT] = None
    rig.run(1_000)
    rig.readings[c.S_RH_PCT] = 5_000
    rig.run(100)
    return rig.core


def pressed_stop() -> Core:
    return in_state("fault").core


def a_pulse() -> Core:
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    rig.run(2_000)
    return rig.core


def a_stopped_pulse() -> Core:
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN, 60_000)
    rig.send(c.M_STOP, cmd_id=99, output=c.OUT_CIRCULATION_FAN)
    return rig.core


def a_lapsed_lease() -> Core:
    rig = in_state("leased")
    rig.hold_lease = False
    rig.run(6_000)
    return rig.core


def a_cleared_fault() -> Core:
    rig = in_state("ready")
    rig.core.faults.latch(c.FAULT_NO_FLOW, rig.t, 0)
    rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_NO_FLOW)
    return rig.core


def a_held_button() -> Core:
    rig = in_state("ready")
    rig.press(c.BUTTON_LONG_MS)
    return rig.core


def manual_override() -> Core:
    rig = in_state("ready")
    rig.press(200)
    return rig.core


def a_setting() -> Core:
    rig = in_state("leased")
    rig.send(c.M_CONFIG, cmd_id=1, config_key=c.CFG_SURVIVAL_DOSE_ML, config_value=80)
    return rig.core


def a_stored_value_of_before() -> Core:
    store = MemoryStore()
    store.records["config.a"] = config_record(c.CFG_SURVIVAL_DOSE_ML, 251)
    return Rig(store).core


def a_dry_pot_alone() -> Core:
    rig = Rig()
    rig.readings[c.S_SOIL_P1_PCT] = 1_000
    rig.run(8_000_000, 1_000)
    return rig.core


def a_hot_tent() -> Core:
    rig = in_state("ready")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(c.LEVEL_LATCH_MS + 50)
    return rig.core


def a_flash_that_refuses() -> Core:
    store = MemoryStore()
    rig = Rig(store)
    store.fail = True
    rig.run(70_000, 1_000)
    return rig.core


def a_held_bus() -> Core:
    rig = in_state("ready")
    rig.core.inputs.bus_recoveries, rig.core.inputs.bus_free = 1, True
    rig.step()
    return rig.core


SENT_BY: dict[str, Callable[[], Core]] = {
    "boot": boot,
    "state": a_lapsed_lease,
    "pulse_start": a_pulse,
    "pulse_end": a_pulse,
    "pulse_aborted": a_stopped_pulse,
    "fault": a_hot_tent,
    "fault_cleared": a_cleared_fault,
    "lease_lost": a_lapsed_lease,
    "estop": pressed_stop,
    "button": a_held_button,
    "config": a_setting,
    "config_dropped": a_stored_value_of_before,
    "sensor_lost": lost_and_back,
    "sensor_back": lost_and_back,
    "counters": boot,
    "watchdog": late_task,
    "bus_recovered": a_held_bus,
    "survival": a_dry_pot_alone,
    "forced": a_hot_tent,
    "manual": manual_override,
    "save_failed": a_flash_that_refuses,
}


@pytest.mark.parametrize("name", LIVE_EVENTS)
def test_each_live_event_is_sent_by_the_firmware_worded_by_the_host_and_documented(name: str) -> None:
    sent = of(SENT_BY[name](), name)
    assert sent, name
    a, b = sent[-1]
    level, text = describe(BoardEvent(boot_id=1, seq=1, t_ms=0, host_ms=0.0, name=name, a=a, b=b))
    assert name in TEXTS and level in ("INFO", "WARNING", "ALARM")
    assert f"({a}, {b})" not in text and text.endswith(".")
    assert f"`{name}`" in RUNBOOK, f"docs/runbook.md says nothing of {name}"


def test_no_event_is_worded_that_is_never_sent() -> None:
    assert set(TEXTS) == set(LIVE_EVENTS) == set(SENT_BY)


def used_constants() -> set[str]:
    """Every `c.NAME` that the firmware's own code reads, the generated contract aside."""
    found: set[str] = set()
    for path in (ROOT / "firmware").rglob("*.py"):
        if path.name != "contract.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "c"
            }
    return found


def expected_constants() -> Iterable[tuple[str, str, bool]]:
    """(constant, what the docs call it, reserved) of every reason, fault and WHY code."""
    for code in REASON_TABLE:
        yield f"R_{code.name.upper()}", code.name, code.reserved
    for code in WHY_TABLE:
        yield f"WHY_{code.name.upper()}", code.name, code.reserved
    for fault in FAULTS:
        yield f"FAULT_{fault.name.upper()}", fault.name, False


USED = used_constants()


@pytest.mark.parametrize(("constant", "name", "reserved"), list(expected_constants()))
def test_each_live_code_is_used_by_the_firmware_and_documented_and_no_reserved_one_is(
    constant: str, name: str, reserved: bool
) -> None:
    assert (constant in USED) != reserved
    assert hasattr(c, constant) != reserved
    assert f"| {name} |" in DICTIONARY
    if constant.startswith("FAULT_"):
        assert f"`{name}`" in RUNBOOK


def test_each_reason_and_each_why_is_worded_for_a_person() -> None:
    for number, code in enumerate(REASON_TABLE):
        text = describe(BoardEvent(1, 1, 0, 0.0, "pulse_aborted", 5, number))[1]
        assert code.name in text and code.meaning in text and code.meaning.endswith(".")
    for number, code in enumerate(WHY_TABLE):
        text = describe(BoardEvent(1, 1, 0, 0.0, "sensor_lost", 1, number))[1]
        assert code.name in text and code.meaning in text and code.meaning.endswith(".")


def test_reserved_codes_keep_their_numbers() -> None:
    assert [row[0] for row in EVENTS].index("refused") == 5 and c.EV_FAULT == 6
    assert [code.name for code in REASON_TABLE].index("too_early") == 7 and c.R_NO_LEASE == 8
    assert [code.name for code in REASON_TABLE].index("tag") == 41 and c.R_LEAK_STALE == 42


def test_the_boot_event_names_the_cause_of_the_reset() -> None:
    for cause, word in RESET_CAUSES.items():
        core = app(reset_cause=cause).core
        assert of(core, "boot") == [(cause, 0)]
        assert word in describe(BoardEvent(1, 1, 0, 0.0, "boot", cause, 0))[1]


def test_a_sensor_is_lost_at_the_third_round_without_a_value_and_back_at_the_first_with_one() -> None:
    rig = in_state("ready")
    rig.readings[c.S_CO2_PPM] = None
    for _ in range(LOST_AFTER - 1):
        rig.step()
    assert of(rig.core, "sensor_lost") == []
    rig.step()
    assert of(rig.core, "sensor_lost") == [(c.S_CO2_PPM, c.WHY_NO_ANSWER)]
    rig.run(60_000)
    assert len(of(rig.core, "sensor_lost")) == 1
    assert of(rig.core, "sensor_back") == []
    rig.readings[c.S_CO2_PPM] = 700
    rig.run(1_000)
    assert of(rig.core, "sensor_back") == [(c.S_CO2_PPM, 0)]
    # A single spoilt round is no news, neither way.
    rig.readings[c.S_CO2_PPM] = None
    rig.step()
    rig.readings[c.S_CO2_PPM] = 700
    rig.run(1_000)
    assert len(of(rig.core, "sensor_lost")) == len(of(rig.core, "sensor_back")) == 1


def test_a_part_that_is_not_fitted_is_never_lost() -> None:
    rig = in_state("ready")
    del rig.readings[c.S_CO2_PPM]
    for _ in range(10):
        rig.core.inputs.lost(c.S_CO2_PPM, c.WHY_DISABLED, rig.t)
        rig.step()
    assert of(rig.core, "sensor_lost") == []


def test_the_stop_is_told_at_both_edges() -> None:
    assert of(pressed_stop(), "estop") == [(1, 0), (0, 0)]


def test_a_late_task_is_named_with_its_time_and_not_more_often_than_every_ten_minutes() -> None:
    made = app()
    for task, hook in ((1, "sense"), (3, "act")):
        made.hal.ticks += LATE_PAUSE_MS
        made.turn()
        made.hal.hooks = {hook: lambda: setattr(made.hal, "ticks", made.hal.ticks + 700)}
        for _ in range(5):
            made.turn()
        made.hal.hooks = {}
        assert of(made.core, "watchdog")[-1] == (task, 700)
    assert len(of(made.core, "watchdog")) == 2


def test_a_task_just_below_the_limit_is_no_news_and_the_watchdog_is_fed() -> None:
    made = app()
    made.hal.hooks = {"lines": lambda: setattr(made.hal, "ticks", made.hal.ticks + LATE_MS - 1)}
    made.turn()
    assert of(made.core, "watchdog") == []
    assert made.hal.fed_times == 2
