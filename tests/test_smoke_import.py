"""The brain can be imported, and importing it drags in nothing that touches the world."""

import subprocess
import sys

OTHERS = (
    "app", "cli", "settings", "service", "terminal", "replay", "backtest", "twin", "loop", "recovery", "commands",
    "sources", "models", "board", "storage", "weather", "advisor",
)  # fmt: skip
RIM = ("serial", "httpx", "fastapi", "uvicorn", *(f"tomato_host.{name}" for name in OTHERS))


def test_import_brain_package() -> None:
    code = (
        "import sys, importlib, pkgutil, tomato_host.brain as b\n"
        "for m in pkgutil.walk_packages(b.__path__, b.__name__ + '.'): importlib.import_module(m.name)\n"
        "print('\\n'.join(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.split())
    assert "tomato_host.brain.estimator" in loaded
    assert not loaded & set(RIM)
