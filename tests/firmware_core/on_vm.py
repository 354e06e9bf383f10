"""Runs on the MicroPython VM: imports the test modules named on the command line and calls every test in them.

MICROPYPATH=firmware:.frozen micropython tests/firmware_core/on_vm.py test_pulses tests.firmware_link.test_codec ...
"""

import gc
import sys

FOLDER = "tests.firmware_core."


def run(module_name):
    """Call every `test_*` of a module; the number that ran. An assertion that fails ends the run with its traceback."""
    module = __import__(module_name if "." in module_name else FOLDER + module_name, None, None, ("*",))
    ran = 0
    for name in sorted(dir(module)):
        if name.startswith("test_"):
            try:
                getattr(module, name)()
            except Exception as error:
                print("FAILED", module_name, name)
                sys.print_exception(error)
                sys.exit(1)
            ran += 1
            gc.collect()
    return ran


sys.path.insert(0, ".")
total = 0
for arg in sys.argv[1:]:
    total += run(arg)
print("passed", total)
