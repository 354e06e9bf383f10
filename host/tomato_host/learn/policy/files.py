"""The policy's files in a data directory: windows that are still watched, the promoted policy, blueprints' metadata.

learn/policy/
  windows.json      open observation windows
  policy-<n>.npz    weights of one version: plain arrays, no pickle
  promoted.json     the version that may decide, its hash, and the one before
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError

from shared_schemas.learn.lifecycle import SlotStage
from tomato_host.atomic_file import replace_file
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.policy.hot_reload import reload_promoted
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.settings import LearnPolicySettings
from tomato_host.learn.stage_steps import SlotStep
from tomato_host.logs import Log

_log = Log("learn.policy")


class PolicyFiles:
    """The folder `learn/policy`."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "learn" / "policy"
        self._catalogue = data_dir / "learn" / "catalogue"

    def load_windows(self, policy: PolicyService) -> None:
        """Go on watching what another process began; a damaged file ends those windows, nothing else."""
        try:
            policy.windows.load(json.loads((self.root / "windows.json").read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, DecodeError) as error:
            _log.warning("windows_lost", error=type(error).__name__)

    def store_windows(self, policy: PolicyService) -> None:
        """Store what is watched now. Raises OSError."""
        replace_file(self.root / "windows.json", json.dumps(policy.windows.dump()).encode(), parents=True)

    def metadata(self, numbers: list[int]) -> Mapping[int, Mapping[str, float]]:
        """What the catalogue recorded of blueprints; empty where there is none yet."""
        if not (self._catalogue / "catalogue.sqlite").exists():
            return {}
        with Catalogue(self._catalogue) as catalogue:
            return catalogue.facts(numbers)

    def record_worth(self, steps: Sequence[SlotStep], skills: Mapping[str, Mapping[str, float]]) -> None:
        """What blocks were worth whose probation ended tonight, for the selection of the next ones."""
        ended = (SlotStage.FOSSILIZED, SlotStage.CULLED)
        rows = [
            (s.before.blueprint, skills.get(s.after.quantity, {}).get("ratio")) for s in steps if s.after.stage in ended
        ]
        known = [(number, ratio) for number, ratio in rows if number and ratio is not None]
        if known:
            with Catalogue(self._catalogue) as catalogue:
                for number, ratio in known:
                    catalogue.record_worth(number, 1.0 - ratio)

    def reload(self, policy: PolicyService, settings: LearnPolicySettings) -> str:
        """Verify and activate the promoted policy when it is another than the deciding one; empty: nothing to do."""
        return reload_promoted(self.root, policy, settings)
