"""Facts that several parts of the brain need, each with one key: the site, and the budgets of a day."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

from shared_schemas.devices import budget_of

DEFAULT_TENT = "main"
"""Name of the one tent of a host, in the names of its agents."""
DEFAULT_TIME_ZONE = "Europe/Vienna"
"""Where the first tents stand; every other place sets `[site] timezone`."""


NO_ZONES = ("right/", "posix/", "posixrules", "localtime", "Factory")
"""Files beside the zones: with leap seconds (27 s off), the machine's own setting, and a placeholder."""


def known_zone(name: str) -> str:
    """`name` if it is an IANA time zone. Raises ValueError with an example."""
    try:
        ZoneInfo(name)
        if name.startswith(NO_ZONES):
            raise ValueError(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; an example is 'Europe/Vienna'") from None
    return name


class SiteSettings(BaseModel):
    """Section `[site]`: where the plants stand. The position is for weather and sun; it is never published."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    timezone: Annotated[str, AfterValidator(known_zone)] = DEFAULT_TIME_ZONE
    """IANA time zone of the plants, for example `Europe/Vienna`; every local time follows from it."""
    latitude_deg: Annotated[FiniteFloat, Field(ge=-90.0, le=90.0)] = 48.21
    """Latitude, north positive."""
    longitude_deg: Annotated[FiniteFloat, Field(ge=-180.0, le=180.0)] = 16.37
    """Longitude, east positive."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.timezone)


class BudgetSettings(BaseModel):
    """Section `[budgets]`: what an output may deliver in any 24 hours, at or inside the board's own budget.

    The controller plans with it, the guardrails hold it, the estimator reports what is left of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    water_ml_per_day: Annotated[int, Field(ge=0, le=budget_of("water_ml_per_day"))] = 2_200
    """Water of all plants together."""
    co2_s_per_day: Annotated[int, Field(ge=0, le=budget_of("co2_s_per_day"))] = 300
    """Open time of the CO2 valve."""
    light_s_per_day: Annotated[int, Field(ge=0, le=budget_of("light_s_per_day"))] = 64_800
    """Time the lamp is on."""
    humidifier_s_per_day: Annotated[int, Field(ge=0, le=budget_of("humidifier_s_per_day"))] = 21_600
    """Time the humidifier is on."""
    heater_s_per_day: Annotated[int, Field(ge=0, le=budget_of("heater_s_per_day"))] = 43_200
    """Time the heater mat is on."""
