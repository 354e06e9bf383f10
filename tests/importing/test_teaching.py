"""An imported season teaches the forecaster: its first own day is forecast better than by one that knows nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tomato_host.backtest.tables import load_cases
from tomato_host.brain.world_model.data import HISTORY_H, KnownAhead, ModelShape, tent_quantities
from tomato_host.brain.world_model.hourly_history import hour_start
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.models.store import ModelStore
from tomato_host.models.teaching import taught_model

from tests.importing.logs import celsius, moments, write
from tests.world_model.synthetic import START_HOUR, tent_log

DAYS = 16
COLUMNS = ("air_temp_c", "vpd_kpa", "soil.P1", "soil.P2", "out_temp_c", "out_rh", "water_ml", "light")


def _season(folder: Path) -> Path:
    """The first days of a tent as another logger would have written them."""
    log = tent_log(DAYS, seed=4)
    v = dict(log.values)
    v["out_rh"] = 100.0 * v["out_vapour_kpa"] / (v["out_vapour_kpa"] + v["out_vpd_kpa"])
    lines = ["time,T,VPD,Soil 1,Soil 2,T out,RH out,Water,Lamp"]
    for h in range((DAYS - 1) * 24):
        stamp = hour_start(START_HOUR + h).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(",".join((stamp, *(f"{v[name][h]:.4f}" for name in COLUMNS))))
    write(folder / "log.csv", lines)
    quantities = ("air_temp_c", "vpd_kpa", "soil.P1", "soil.P2", "ext_temp_c", "ext_rh_pct", "water_ml", "light_on")
    mapped = zip(quantities, lines[0].split(",")[1:], strict=True)
    columns = "\n".join(f'"{name}" = "{column}"' for name, column in mapped)
    (folder / "log.toml").write_text(f'time_column = "time"\n[columns]\n{columns}\n')
    return folder / "log.csv"


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("season")
    with pytest.raises(SystemExit) as ended:
        main(["import", str(_season(folder)), "--mapping", str(folder / "log.toml"), "-o", str(folder / "out")])
    assert ended.value.code in (0, None)
    return folder / "out"


def _error_of_first_day(model: WorldModel) -> dict[str, float]:
    """Mean absolute error of 24 h from six hours of the first own day, which follows the season."""
    log, first = tent_log(DAYS, seed=4), (DAYS - 1) * 24
    seen = log.window(first, first + 6)
    ahead = KnownAhead({name: column[first + 6 : first + 42] for name, column in log.values.items()})
    forecast = model.forecast(seen, ahead)
    out = {}
    for name in ("soil.P1", "vpd_kpa", "air_temp_c"):
        mean = forecast.best(name)[0, 0, :18]
        out[name] = float(np.abs(mean - log.values[name][first + 6 : first + 24]).mean())
    return out


def test_a_season_teaches_the_forecaster_before_its_first_own_day(
    season: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["model", "teach", str(season), "--data", str(tmp_path)])
    assert ended.value.code in (0, None) and f"{DAYS - 1} days of out" in capsys.readouterr().out
    found = ModelStore(tmp_path / "models").load_active()
    assert found is not None
    taught, fresh = _error_of_first_day(found[1]), _error_of_first_day(WorldModel())
    assert found[1].shape == WorldModel().shape, "the brain adopts it at its next start"
    assert taught["soil.P1"] < 0.3 * fresh["soil.P1"], (taught, fresh)
    assert taught["air_temp_c"] < 0.5 * fresh["air_temp_c"], (taught, fresh)
    assert taught["vpd_kpa"] < 1.15 * fresh["vpd_kpa"], "the prior of this tent's humidity happens to be right"


def test_a_season_of_nothing_teaches_nothing(tmp_path: Path) -> None:
    lines = [f"{ts + timedelta(0):%Y-%m-%dT%H:%M:%SZ},{celsius(k)}" for k, ts in enumerate(moments(40 * 6))]
    path = write(tmp_path / "a.csv", ["time,T", *lines])
    (tmp_path / "a.toml").write_text('time_column = "time"\n[columns]\nleaf_temp_c = "T"\n')
    case = load_cases(str(path), tmp_path / "a.toml", time_zone="UTC")[0]
    with pytest.raises(TomatoError) as caught:
        taught_model(case.log, ("P1",), WorldModel().settings)
    assert caught.value.code == "E-MODEL-SEASON" and "soil.P1" in str(caught.value)


def test_the_days_are_learned_as_they_would_have_been_live(season: Path) -> None:
    log = load_cases(str(season), time_zone="UTC")[0].log
    live = WorldModel(ModelShape(quantities=tent_quantities()))
    for end in range(24, log.hours + 1, 24):
        live.learn(log.window(end - HISTORY_H, end))
    assert taught_model(log, ("P1", "P2"), live.settings).fingerprint() == live.fingerprint()
