"""A copy of the contract inside each dataset, so that it can be read without this program."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from shared_schemas.records import RECORDS


def write_schemas(folder: Path) -> str:
    """Write one JSON Schema per record kind; returns the SHA-256 over all of them."""
    digest = hashlib.sha256()
    for version, model in RECORDS.items():
        text = json.dumps(model.model_json_schema(), indent=1, sort_keys=True) + "\n"
        digest.update(text.encode())
        (folder / f"{version}.schema.json").write_text(text, encoding="utf-8")
    return digest.hexdigest()
