"""What grown experts are worth on the measured seasons, with and without weather; prints a table.

python tools/growth_worth.py [agc3 agc2 tunnel] [--expert trees network static ridge placebo] [--seeds 0 1 2 3 4]
       [--case NAME ...] [--horizons 6 24] [--out rows.jsonl] [--blocks FOLDER]

All experts walk beside each other on one forecast. `placebo`: trees whose residuals belong to hours five days away.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "host")]

from tomato_host.backtest.tables import BacktestCase, load_cases, without_weather  # noqa: E402
from tomato_host.brain.world_model.grown_block import GrownBlock, block_from_arrays  # noqa: E402
from tomato_host.learn.residuals import ResidualTable  # noqa: E402
from tomato_host.learn.worth import Fit, GrowthWorth, growth_worths, ridge_block, tree_block  # noqa: E402
from tomato_host.sources.measured import data_folder  # noqa: E402

from tools.tunnel_mapping import TUNNEL  # noqa: E402

HORIZONS = (1, 6, 12, 24, 36)
PLACEBO_DAYS = 5
EXPERTS = ("trees", "network", "static", "ridge", "placebo")


def cases(data: str) -> Iterator[tuple[str, BacktestCase]]:
    """Every place of a data set, with the weather where it has one, then without."""
    if data == "tunnel":
        mapping = ROOT / "build" / "tunnel.toml"
        mapping.parent.mkdir(exist_ok=True)
        mapping.write_text(TUNNEL)
        found = load_cases(str(data_folder() / "tunnel_greenhouse1_15min.csv.gz"), mapping, time_zone="UTC")
    else:
        found = load_cases(data, time_zone="UTC")
    for case in found:
        if case.has_weather:
            yield "weather", case
        yield "none", without_weather(case)


def placebo(fit: Fit, horizons: int) -> Fit:
    """The same blocks, their features and targets five days apart: what a block costs that knows nothing."""

    def shifted(quantity: str, table: ResidualTable) -> GrownBlock:
        return fit(quantity, replace(table, y=np.roll(table.y, PLACEBO_DAYS * 24 * horizons)))

    return shifted


def fitters(experts: list[str], seeds: list[int], horizons: int = len(HORIZONS)) -> dict[str, Fit]:
    """How blocks are fitted, by expert and, of networks, seed. Raises ImportError for networks without torch."""
    plain = {"trees": tree_block, "ridge": ridge_block, "placebo": placebo(tree_block, horizons)}
    found = {name: plain[name] for name in experts if name in plain}
    for name in (name for name in experts if name not in plain):
        from tools.network_seeds import SeedsFit

        found |= {f"{name} {seed}": fit for seed, fit in SeedsFit(seeds, static=name == "static").fits().items()}
    return found


class Shelf:
    """Fitted blocks of one walk in a file: the same blocks again, when only what judges them has changed."""

    def __init__(self, path: Path, fit: Fit) -> None:
        self._path, self._fit = path, fit
        self._known: dict[str, dict[str, np.ndarray]] = {}
        self._new: dict[str, np.ndarray] = {}
        self._nights: Counter[str] = Counter()
        for key, array in dict(np.load(path)).items() if path.exists() else ():
            night, _, name = key.rpartition("/")
            self._known.setdefault(night, {})[name] = array

    def __call__(self, quantity: str, table: ResidualTable) -> GrownBlock:
        """The block of the quantity's next night."""
        night = f"{quantity}/{self._nights[quantity]}"
        self._nights[quantity] += 1
        if night in self._known:
            arrays = self._known[night]
            return block_from_arrays(quantity, "trees" if "leaf" in arrays else "network", table.weather, arrays, night)
        block = self._fit(quantity, table)
        self._new |= {f"{night}/{name}": array for name, array in block.arrays.items()}
        return block

    def close(self) -> None:
        """Write what was fitted."""
        if self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._path, allow_pickle=False, **self._new)


def append(path: Path, row: GrowthWorth, **run: object) -> None:
    """One series of one run as a line of JSON."""
    facts = {"case": row.case, "quantity": row.quantity, "on": row.share_on}
    errors = {"without": row.without.tolist(), "with": row.with_block.tolist()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run | facts | errors) + "\n")


def show(data: str, found: dict[tuple[str, str, str], list[GrowthWorth]]) -> None:
    """One line for each kind of quantity and expert: errors without, ratios, worst series."""
    for (weather, kind, expert), rows in sorted(found.items()):
        without = np.mean([row.without for row in rows], axis=0)
        with_block = np.mean([row.with_block for row in rows], axis=0)
        worst = max(float(row.ratio.max()) for row in rows)
        on = np.mean([row.share_on for row in rows])
        print(
            f"{data:7}{weather:8} {kind:11} {expert:10} without {np.round(without, 4)} with {np.round(with_block, 4)} "
            f"ratio {np.round(with_block / without, 3)} on {on:.2f} worst series {worst:.4f}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["agc3", "agc2", "tunnel"])
    parser.add_argument("--expert", choices=EXPERTS, nargs="+", default=["trees"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="networks only; trees draw nothing")
    parser.add_argument("--case", nargs="+", help="these greenhouses of the data set only")
    parser.add_argument("--horizons", type=int, nargs="+", default=HORIZONS, help="fewer take less time")
    parser.add_argument("--out", type=Path, help="append every series here, as a line of JSON")
    parser.add_argument("--blocks", type=Path, help="keep fitted blocks here, and use those that are here already")
    args = parser.parse_args()
    for data in args.data:
        found: dict[tuple[str, str, str], list[GrowthWorth]] = {}
        for weather, case in cases(data):
            if args.case and case.name not in args.case:
                continue
            fits = fitters(args.expert, args.seeds, len(args.horizons))
            if args.blocks is not None:
                place = args.blocks / data / case.name / weather
                fits = {key: Shelf(place / f"{key}.npz", fit) for key, fit in fits.items()}
            for key, rows in growth_worths(case, tuple(args.horizons), fits).items():
                for row in rows:
                    found.setdefault((weather, row.quantity.split(".")[0], key.split()[0]), []).append(row)
                    if args.out is not None:
                        append(args.out, row, data=data, weather=weather, expert=key)
            for fit in fits.values():
                if isinstance(fit, Shelf):
                    fit.close()
        show(data, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
