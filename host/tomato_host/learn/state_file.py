"""What the learning loop is at, as one small file that commands without torch can read: epoch, slots, last figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared_schemas.learn.lifecycle import SlotStage
from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.learn.slot import GrowthSlot

FORMAT = 1
FOLDER = "learn"
NAME = "state.json"


@dataclass(frozen=True)
class LearnState:
    """One committed epoch boundary."""

    epoch: int = 0
    conservative: bool = False
    policy_version: int = 0
    slots: tuple[GrowthSlot, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    """Of the last epoch; the unit is in the name."""

    def as_json(self) -> dict[str, Any]:
        """Plain values; stages by name."""
        slots = [asdict(slot) | {"stage": slot.stage.name} for slot in self.slots]
        return asdict(self) | {"format": FORMAT, "slots": slots, "figures": dict(self.figures)}


def parse_state(raw: Any) -> LearnState:
    """The state of its JSON. Raises ValueError, KeyError or TypeError when it is none."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError(f"format {raw.get('format') if isinstance(raw, dict) else raw!r}, this program reads {FORMAT}")
    slots = tuple(_slot(one) for one in raw["slots"])
    rest = {name: raw[name] for name in ("epoch", "conservative", "policy_version", "figures")}
    return LearnState(slots=slots, **rest)


def _slot(raw: dict[str, Any]) -> GrowthSlot:
    parameters = tuple((str(name), float(value)) for name, value in raw.get("parameters", ()))
    return GrowthSlot(**{**raw, "stage": SlotStage[raw["stage"]], "parameters": parameters})


def read_state(data_dir: Path) -> LearnState | None:
    """The last committed state; None where the loop has never run. Raises TomatoError E-LEARN-STATE when damaged."""
    path = data_dir / FOLDER / NAME
    try:
        return parse_state(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TomatoError(
            "E-LEARN-STATE",
            f"{path} cannot be read: {error}.",
            "the next `tomato-host learn once` or `run` writes it again from the last checkpoint",
        ) from None


def write_state(data_dir: Path, state: LearnState) -> None:
    """Replace the file, whole or not at all. Raises OSError."""
    content = json.dumps(state.as_json(), indent=1, allow_nan=False).encode()
    replace_file(data_dir / FOLDER / NAME, content, parents=True)
