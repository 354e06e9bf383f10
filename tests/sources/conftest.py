"""Where measured data lies, and one source of each kind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.sources.measured import data_folder

START = datetime(2026, 2, 14, 0, 0, tzinfo=UTC)


@pytest.fixture
def measured_data() -> Path:
    folder = data_folder()
    if not (folder / "agc2_tomato_slab_5min.csv.gz").is_file():
        pytest.skip(f"measured data is not in {folder}; set TOMATO_DATA to its folder")
    return folder
