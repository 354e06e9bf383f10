"""Shared by the advisor's tests: the tiny models, written once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.advisor.backends.local import LocalModel
from tomato_host.advisor.settings import AdvisorSettings

from tests.advisor.tiny_vlm import write_tiny_vlm


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights and projector of the tiny model."""
    return write_tiny_vlm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_settings(tiny_files: tuple[Path, Path]) -> AdvisorSettings:
    """Settings that run the tiny model locally."""
    return AdvisorSettings(
        backend="local",
        model_path=tiny_files[0],
        projector_path=tiny_files[1],
        image_tokens_max=16,
        threads=1,
        temperature=1.0,
        wake_deadline_s=120.0,
        keep_loaded=True,
    )


@pytest.fixture(scope="module")
def tiny_model(tiny_settings: AdvisorSettings) -> Iterator[LocalModel]:
    """The tiny model behind a real worker process."""
    model = LocalModel(tiny_settings)
    yield model
    model.close()
