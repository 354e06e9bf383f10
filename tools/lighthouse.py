"""Lighthouse on the dashboard of a running host, as a phone and as a desktop: scores, times and layout shift.

Needs Debian's `chromium`, Node 20 and `npm install --prefix build/fetched/lighthouse lighthouse@12.2.3`, which `make
lighthouse` runs. Scores of a busy machine are those of its load: each figure is the median of `--runs`, and
`main_thread_ms` (processor time of the page's main thread, slowed down as Lighthouse does it) compares two versions.
Ends with 1 when a median misses its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.screenshots import ROOT, free_port, live_host, simulate

LIGHTHOUSE = ROOT / "build" / "fetched" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
FORMS = {"phone": (), "desktop": ("--preset=desktop",)}
CATEGORIES = ("performance", "accessibility", "best-practices")
LEAST = {"performance": 97, "accessibility": 100, "best-practices": 100}
MOST = {"layout_shift": 0.05, "transferred_kb": 150.0}
AUDITS = {
    "first_paint_ms": "first-contentful-paint",
    "largest_paint_ms": "largest-contentful-paint",
    "speed_index_ms": "speed-index",
    "blocked_ms": "total-blocking-time",
    "main_thread_ms": "mainthread-work-breakdown",
    "layout_shift": "cumulative-layout-shift",
}
STREAM = "/api/stream"
"""Never ends: it counts what happens meanwhile, not the page."""
SETTLED_S = 8.0
"""After the first answer: the first decision and the start of the host are over."""


def main() -> int:
    """Print one line a form factor; 1 when a limit is missed."""
    options = _options()
    if not LIGHTHOUSE.exists():
        sys.exit("lighthouse is not here: make lighthouse fetches it from the npm registry")
    if options.url:
        return _judge(options.url, options)
    with tempfile.TemporaryDirectory() as place:
        data, config, port = Path(place) / "data", Path(place) / "tomato.toml", free_port()
        limits = "reads_per_minute = 100000\n"
        config.write_text(f"[service]\nport = {port}\n{limits}[weather]\nprovider = 'none'\n")
        if options.hours:
            simulate(data, config, options.hours, seed=7)
        with live_host(data, config, port, seed=7):
            time.sleep(SETTLED_S)
            return _judge(f"http://127.0.0.1:{port}/", options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hours", type=float, default=25.0, help="simulated past; 0: an empty dataset")
    parser.add_argument("--url", help="a page that is served already")
    parser.add_argument("--keep", type=Path, help="folder for Lighthouse's own reports")
    return parser.parse_args()


def _judge(url: str, options: argparse.Namespace) -> int:
    missed = 0
    for form, flags in FORMS.items():
        rows = [_run(url, form, flags, number, options.keep) for number in range(options.runs)]
        median = {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
        wrong = [name for name, least in LEAST.items() if median[name] < least]
        wrong += [name for name, most in MOST.items() if median[name] > most]
        print(json.dumps({"form": form, "load": round(os.getloadavg()[0], 1), **median, "missed": wrong}), flush=True)
        missed += len(wrong)
    return int(missed > 0)


def _run(url: str, form: str, flags: tuple[str, ...], number: int, keep: Path | None) -> dict[str, float]:
    """Scores of 0 to 100 and the figures of AUDITS (times in ms, bytes in kB) of one run."""
    command = [str(LIGHTHOUSE), url, *flags, "--quiet", "--output=json", f"--only-categories={','.join(CATEGORIES)}"]
    chrome = {"CHROME_PATH": shutil.which("chromium") or ""}
    done = subprocess.run(
        [*command, "--chrome-flags=--headless --no-sandbox --disable-gpu"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | chrome,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{form}-{number}.json").write_text(done.stdout)
    figures = {name: 100.0 * report["categories"][name]["score"] for name in CATEGORIES}
    figures |= {name: report["audits"][audit]["numericValue"] for name, audit in AUDITS.items()}
    requests = report["audits"]["network-requests"]["details"]["items"]
    page = sum(one["transferSize"] for one in requests if not one["url"].endswith(STREAM))
    return figures | {"transferred_kb": page / 1_000.0}


if __name__ == "__main__":
    raise SystemExit(main())
