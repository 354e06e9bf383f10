"""How Hypothesis draws: the same examples on every run, so that a red test is red for everybody.

Fresh examples are drawn by `make explore` (and on request: `pytest --hypothesis-profile=exploring`); what they find
becomes a test of its own. In which order files are handed out: the longest first, by turns. And the garbage collector
leaves alone what collecting 5,000 tests and the files before have put on the heap: it lives as long as the process.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tomato_host.logs import configure_log

WAITING = (
    "bus/test_redis.py",
    "world/test_tent_outside.py",
    "mqtt/test_broker.py",
    "incidents/test_disk_full.py",
    "incidents/test_clock_step.py",
    "integration/test_disk_budget.py",
    "operations/test_live_monitoring.py",
    "learn/test_compile.py",
    "integration/test_two_hosts.py",
    "incidents/test_usb_pulled.py",
    "advisor/test_hostile_model.py",
    "board/test_flash.py",
    "world/test_agents_live.py",
    "hil/test_board_requests.py",
    "integration/test_run_bad_input.py",
    "storage/test_crash.py",
    "test_mutants_gate.py",
    "incidents/test_kill_9.py",
    "hil/test_boot_line.py",
    "world/test_mcp.py",
    "integration/test_run_in_real_time.py",
    "terminal/test_narrow_terminals.py",
    "advisor/test_openai_http.py",
    "incidents/test_alert_flood.py",
    "incidents/test_daemon_frozen.py",
    "board/test_board_command.py",
    "twin/test_press.py",
    "incidents/test_why.py",
    "incidents/test_broker_gone.py",
    "bus/test_mosquitto.py",
    "cli/test_doctor.py",
    "world/test_outside.py",
    "learn/test_bus.py",
    "advisor/test_llm_cli.py",
    "notify/test_acknowledge.py",
    "storage/test_budget.py",
    "storage/test_anchors.py",
    "mqtt/test_fuzz_wire.py",
)
"""Files of more than nine seconds that mostly wait, for real processes, boards in real time and brokers."""

COMPUTING = (
    "advisor/test_advisory_only.py",
    "firmware_core/test_hostile_world.py",
    "firmware_core/test_on_vm.py",
    "integration/test_scenarios_faults.py",
    "estimator/test_campaigns.py",
    "learn/test_trainer.py",
    "estimator/test_quiet_tent.py",
    "integration/test_scenarios_weather.py",
    "integration/test_dst.py",
    "estimator/test_actuator_effect.py",
    "incidents/test_clock_ahead.py",
    "world_model/test_twin.py",
    "hil/test_link_bad_line.py",
    "integration/test_24h_deterministic_run.py",
    "operations/test_alert_rules.py",
    "advisor/test_tiny_vlm.py",
    "twin/test_campaign.py",
    "twin/test_one_simulator.py",
    "test_registry.py",
    "hil/test_port_profiles.py",
    "replay/test_run_check.py",
    "service/test_strict_requests.py",
    "service/test_fuzz.py",
)
"""Files that take a core for more than ten seconds, the longest first as above."""


# `capture_logs` of structlog would otherwise be the first to configure it, and leave its own.
configure_log()

gc.disable()  # until all is collected: until then everything that is made stays

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("exploring", derandomize=False, print_blob=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, what waits and what computes by turns, all else as collected.

    A file that begins last would end long after the rest; and five workers that all wait leave two cores idle, while
    five that all compute are late for what others wait for.
    """
    root = Path(__file__).parent
    turns = sorted(
        [((place + 0.5) / len(names), name) for names in (WAITING, COMPUTING) for place, name in enumerate(names)]
    )
    rank = {str(root / name): place for place, (_, name) in enumerate(turns)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


def pytest_collection_finish() -> None:
    """A full collection in a test (the firmware asks for two at each start) otherwise goes through every test item.

    Of the tests' time a tenth went into collections of a heap that hardly holds a cycle, so they come seldom.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After a file's last test, what it leaves on the heap (caches, imported modules) is left alone as well.

    Otherwise every full collection goes through it: 160 starts of a chip took 9 s instead of 0.2 s after 300 other
    tests.
    """
    result = yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    return result
