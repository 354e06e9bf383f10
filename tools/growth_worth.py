"""What grown experts are worth on the measured seasons, with and without weather; prints a table.

python tools/growth_worth.py [agc3 agc2 tunnel] [--expert trees|network|static|ridge] [--seeds 0 1 2 3 4] [--placebo]
       [--case NAME] [--out rows.jsonl]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "host")]

from tomato_host.backtest.tables import BacktestCase, load_cases, without_weather  # noqa: E402
from tomato_host.brain.world_model.grown_block import GrownBlock  # noqa: E402
from tomato_host.learn.residuals import ResidualTable  # noqa: E402
from tomato_host.learn.worth import Fit, GrowthWorth, growth_worth, ridge_block, tree_block  # noqa: E402
from tomato_host.sources.measured import data_folder  # noqa: E402

from tools.tunnel_mapping import TUNNEL  # noqa: E402

HORIZONS = (1, 6, 12, 24, 36)
PLACEBO_DAYS = 5


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


def placebo(fit: Fit) -> Fit:
    """The same blocks, their features and targets five days apart: what a block costs that knows nothing."""

    def shifted(quantity: str, table: ResidualTable) -> GrownBlock:
        return fit(quantity, replace(table, y=np.roll(table.y, PLACEBO_DAYS * 24 * len(HORIZONS))))

    return shifted


def fitter(expert: str, seed: int) -> Fit:
    """How blocks are fitted. Raises ImportError for networks without torch."""
    if expert in ("trees", "ridge"):
        return tree_block if expert == "trees" else ridge_block
    from tomato_host.learn.network import network_fit

    return network_fit(seed, static=expert == "static")


def append(path: Path, row: GrowthWorth, **run: object) -> None:
    """One series of one run as a line of JSON."""
    facts = {"case": row.case, "quantity": row.quantity, "on": row.share_on}
    errors = {"without": row.without.tolist(), "with": row.with_block.tolist()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run | facts | errors) + "\n")


def show(data: str, found: dict[tuple[str, str], list[GrowthWorth]]) -> None:
    """One line for each kind of quantity: errors without, ratios, worst series."""
    for (weather, kind), rows in sorted(found.items()):
        without = np.mean([row.without for row in rows], axis=0)
        with_block = np.mean([row.with_block for row in rows], axis=0)
        worst = max(float(row.ratio.max()) for row in rows)
        on = np.mean([row.share_on for row in rows])
        print(
            f"{data:7}{weather:8} {kind:11} without {np.round(without, 4)} with {np.round(with_block, 4)} "
            f"ratio {np.round(with_block / without, 3)} on {on:.2f} worst series {worst:.3f}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["agc3", "agc2", "tunnel"])
    parser.add_argument("--expert", choices=("trees", "network", "static", "ridge"), default="trees")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="networks only; trees draw nothing")
    parser.add_argument("--placebo", action="store_true")
    parser.add_argument("--case", help="one greenhouse of the data set only")
    parser.add_argument("--out", type=Path, help="append every series here, as a line of JSON")
    args = parser.parse_args()
    for data in args.data:
        for seed in args.seeds:
            found: dict[tuple[str, str], list[GrowthWorth]] = {}
            for weather, case in cases(data):
                if args.case not in (None, case.name):
                    continue
                fit = fitter(args.expert, seed)
                for row in growth_worth(case, HORIZONS, placebo(fit) if args.placebo else fit):
                    found.setdefault((weather, row.quantity.split(".")[0]), []).append(row)
                    if args.out is not None:
                        append(
                            args.out,
                            row,
                            data=data,
                            weather=weather,
                            expert=args.expert,
                            seed=seed,
                            placebo=args.placebo,
                        )
            show(data if args.expert in ("trees", "ridge") else f"{data} {seed}", found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
