"""How Hypothesis draws: the same examples on every run, so that a red test is red for everybody.

Fresh examples are drawn by `make explore` (and on request: `pytest --hypothesis-profile=exploring`); what they find
becomes a test of its own. In which order files are handed out: the longest first. And the garbage collector leaves
alone what collecting 5,000 tests has put on the heap: it lives as long as the process.
"""

import gc
from pathlib import Path

import pytest
from hypothesis import settings

LONGEST = (
    "firmware_core/test_hostile_world.py",
    "advisor/test_advisory_only.py",
    "incidents/test_usb_pulled.py",
    "firmware_core/test_boot.py",
    "incidents/test_disk_full.py",
    "incidents/test_clock_step.py",
    "twin/test_campaign.py",
    "integration/test_24h_deterministic_run.py",
    "integration/test_disk_budget.py",
    "hil/test_link_bad_line.py",
    "incidents/test_alert_flood.py",
)
"""Files of more than some fifteen seconds, by `make test`'s own list of the slowest."""

gc.disable()  # until all is collected: until then everything that is made stays

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("exploring", derandomize=False, print_blob=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else as collected: one that begins last ends long after the rest."""
    root = Path(__file__).parent
    rank = {str(root / name): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(LONGEST)))


def pytest_collection_finish() -> None:
    """A full collection in a test (the firmware asks for two at each start) otherwise goes through every test item."""
    gc.enable()
    gc.collect()
    gc.freeze()
