"""A backtest over several houses reports the same on one process and on two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tomato_host.cli.main import main

HEADER = "time;house;T;VPD"
MAPPING = 'time_column = "time"\ntime_zone = "+00:00"\ndelimiter = ";"\n[columns]\nair_temp_c = "T"\nvpd_kpa = "VPD"\n'


def table() -> str:
    """Twelve days of two houses, the second warmer, each with a daily course."""
    rows = [HEADER]
    for house, shift in (("north", 0.0), ("south", 1.5)):
        for hour in range(12 * 24):
            swing = abs((hour + 5 * shift) % 24 - 12) / 6.0
            air = f"{20.0 + shift + swing:.2f};{0.7 + 0.1 * swing + 0.01 * (hour % 7):.3f}"
            rows.append(f"2026-03-{1 + hour // 24:02d} {hour % 24:02d}:00;{house};{air}")
    return "\n".join(rows) + "\n"


def test_jobs_change_nothing_but_the_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "houses.csv").write_text(table())
    (tmp_path / "houses.toml").write_text(MAPPING)
    asked = ["backtest", str(tmp_path / "houses.csv"), "--mapping", str(tmp_path / "houses.toml"), "--group", "house"]
    told = []
    for jobs in ("1", "2"):
        with pytest.raises(SystemExit) as ended:
            main([*asked, "--horizons", "1,6", "--no-lightgbm", "--json", "-j", jobs])
        assert not ended.value.code
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] and '"reports"' in told[0]
