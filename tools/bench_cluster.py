"""What a Dask cluster costs a campaign: tent-weeks on two workers over TCP, one of them killed, beside `-j 2`.

python tools/bench_cluster.py local FOLDER      the campaign with -j 2
python tools/bench_cluster.py cluster FOLDER    the same on a cluster of this machine; a worker is killed on the way
python tools/bench_cluster.py compare FOLDER    the same bytes? processor time beside one another

A campaign too long for one go is made in parts: the same command with more --seeds goes on where the last one ended.
The folder `FOLDER/local` is a campaign's own: `tomato-host campaign --resume --out` adds other controllers to it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that tools.* is found when run as a file

from tomato_host.twin.campaign.matrix import read_scenarios, read_seeds

from tools.local_cluster import local_cluster

START = "from tomato_host.cli.main import main; main()"
SAME = ("report.md", "day.svg", "runs.parquet")
MOST_OVERHEAD = 0.05


@dataclass(frozen=True)
class TentWeeks:
    """The tents of a campaign of rules and timer."""

    seeds: str = "0-49"
    days: float = 7.0
    period_s: float = 60.0
    scenarios: str = "calm/heatwave@78"

    @property
    def runs(self) -> int:
        """Of two controllers. Raises TomatoError for seeds or scenarios that cannot be read."""
        return 2 * len(read_seeds(self.seeds)) * len(read_scenarios(self.scenarios))


def command(folder: Path, tents: TentWeeks, *more: str) -> list[str]:
    """A campaign by the command line."""
    matrix = ["--controllers", "rules,timer", "--scenarios", tents.scenarios, "--seeds", tents.seeds]
    length = ["--days", str(tents.days), "--period-s", str(tents.period_s)]
    asked = [*matrix, *length, "--out", str(folder), "--json", "--resume"]
    return [sys.executable, "-c", START, "campaign", *asked, *more]


def children_cpu_s() -> float:
    """User and system time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_local(folder: Path, tents: TentWeeks) -> dict[str, Any]:
    """The campaign with two processes."""
    before, begun = children_cpu_s(), time.monotonic()
    done = subprocess.run(command(folder / "local", tents, "-j", "2"), check=True, capture_output=True, text=True)
    return _add_part(folder / "local.json", before, begun, json.loads(done.stdout))


def run_cluster(folder: Path, tents: TentWeeks) -> dict[str, Any]:
    """The campaign on two workers; one is killed once a quarter of the runs is done; its nanny starts another."""
    before, begun = children_cpu_s(), time.monotonic()
    (folder / "dask").mkdir(parents=True, exist_ok=True)
    with local_cluster(folder / "dask", workers=0) as cluster:
        nanny = cluster.add_nannies(2)
        with subprocess.Popen(
            command(folder / "cluster", tents, "--scheduler", cluster.address),
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            if not (folder / "cluster.json").exists():
                _kill_a_worker(nanny, folder / "cluster" / "runs.jsonl", tents.runs // 4)
            told, _ = client.communicate()
        assert client.returncode == 0, told
        cluster.end()
    return _add_part(folder / "cluster.json", before, begun, json.loads(told))


def _add_part(path: Path, before: float, begun: float, told: dict[str, Any]) -> dict[str, Any]:
    """The figures of this part, with those of the parts before it."""
    facts = {**told, "cpu_s": children_cpu_s() - before, "wall_s": time.monotonic() - begun}
    if path.exists():
        earlier = json.loads(path.read_text())
        facts["workers"] = {**earlier["workers"], **facts["workers"]}
        facts |= {name: facts[name] + earlier[name] for name in ("cpu_s", "wall_s")}
    path.write_text(json.dumps(facts))
    return facts


def _kill_a_worker(nanny: subprocess.Popen[bytes], runs: Path, count: int) -> None:
    """The worker with the most processor time is at a tent: kill it once `count` runs are stored."""
    while not runs.exists() or runs.read_text().count("\n") <= count:
        time.sleep(0.1)
    tasks = Path(f"/proc/{nanny.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    victim = max(children, key=lambda pid: int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]))
    os.kill(victim, signal.SIGKILL)


def compare(folder: Path) -> dict[str, Any]:
    """Whether both wrote the same, and what the cluster cost beyond `-j 2`."""
    local, cluster = (json.loads((folder / f"{name}.json").read_text()) for name in ("local", "cluster"))
    same = all((folder / "local" / name).read_bytes() == (folder / "cluster" / name).read_bytes() for name in SAME)
    return {
        "same": same, "runs": cluster["runs"], "workers": len(cluster["workers"]), "local_cpu_s": local["cpu_s"],
        "cluster_cpu_s": cluster["cpu_s"], "overhead": cluster["cpu_s"] / local["cpu_s"] - 1.0,
        "local_wall_s": local["wall_s"], "cluster_wall_s": cluster["wall_s"],
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("local", "cluster", "compare"))
    parser.add_argument("folder", type=Path)
    usual = TentWeeks()
    parser.add_argument("--seeds", default=usual.seeds, help="first-last")
    parser.add_argument("--scenarios", default=usual.scenarios, help="as of tomato-host campaign")
    parser.add_argument("--days", type=float, default=usual.days)
    parser.add_argument("--period-s", type=float, default=usual.period_s, help="seconds from sample to sample")
    asked = parser.parse_args(argv)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.what == "compare":
        found = compare(asked.folder)
        print(json.dumps(found, indent=2))
        return 0 if found["same"] and found["overhead"] < MOST_OVERHEAD else 1
    run = run_local if asked.what == "local" else run_cluster
    print(json.dumps(run(asked.folder, TentWeeks(asked.seeds, asked.days, asked.period_s, asked.scenarios))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
