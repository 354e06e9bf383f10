"""What the dashboard's process is told about its installation: names, settings file, whether this is the first run."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared_schemas.records.targets_v1 import TargetSet
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.service.settings import TentSettings


class Installation(BaseModel):
    """Passed on the command line of the dashboard's process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings_file: str = ""
    """Empty: `tomato.toml` of the data directory."""
    board_given: bool = False
    """The command line names the board: `[board] url` of the file does not count."""
    first_run: bool = False
    """No host runs yet: the pages wait for the first settings file."""
    tent: TentSettings = TentSettings()
    stage: str = ""
    stage_since: str = ""
    demo: bool = False
    """A simulated tent whose faults may be provoked from the page."""
    usual_targets: TargetSet | None = None
    """What the settings ask for: the targets until the weather of a day has first been looked at."""
    push: bool = False
    """Messages go to devices that have subscribed."""
    push_services: tuple[str, ...] = NotifySettings().push_services
    present: AwareDatetime | None = None
    """The moment at which a host began that does not live in this one: a simulation."""

    def shown(self) -> dict[str, Any]:
        """What every page may know of it."""
        return self.model_dump(mode="json", include={"first_run", "tent", "stage", "stage_since", "demo"})
