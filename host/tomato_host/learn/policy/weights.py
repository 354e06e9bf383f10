"""A learned policy as plain arrays, evaluated with numpy: two layers of tanh, masked logits, and the critic's value.

The choice is drawn, because offline learning needs to know how likely it was; the draw's seed is a hash of the
features, so that the same packets always get the same answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from tomato_host.learn.policy.field_reports import Choice
from tomato_host.learn.policy.view import FEATURE_VERSION, FEATURES, PolicyAction

HIDDEN = 32
MOST_BYTES = 1_000_000
_MOST = 1e4

SHAPES: dict[str, tuple[int, ...]] = {
    "w1": (len(FEATURES), HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN, HIDDEN), "b2": (HIDDEN,),
    "wa": (HIDDEN, len(PolicyAction)), "ba": (len(PolicyAction),), "wc": (HIDDEN, 1), "bc": (1,),
}  # fmt: skip

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class PolicyWeights:
    """One version of a policy, checked."""

    version: int
    arrays: Mapping[str, Floats]
    sha256: str

    def evaluate(self, features: Sequence[float], allowed: Sequence[int]) -> tuple[Floats, float]:
        """Log-probabilities of the actions (-inf where not allowed) and the value of the state."""
        a = self.arrays
        hidden = np.tanh(np.tanh(np.asarray(features) @ a["w1"] + a["b1"]) @ a["w2"] + a["b2"])
        logits = hidden @ a["wa"] + a["ba"]
        masked = np.full(len(logits), -np.inf)
        masked[list(allowed)] = logits[list(allowed)]
        top = masked.max()
        return masked - top - np.log(np.exp(masked - top).sum()), float((hidden @ a["wc"] + a["bc"])[0])

    def __call__(self, features: Sequence[float], allowed: Sequence[int]) -> Choice:
        """Draw an action."""
        log_p, value = self.evaluate(features, allowed)
        seed = hashlib.sha256(np.asarray(features, dtype=np.float32).tobytes()).digest()
        draw = np.random.default_rng(int.from_bytes(seed[:8], "little")).random()
        action = min(int(np.searchsorted(np.exp(log_p).cumsum(), draw, side="right")), max(allowed))
        if action not in allowed:
            action = int(np.argmax(log_p))
        return Choice(action, float(log_p[action]), value, deterministic=False)


def pack_weights(arrays: Mapping[str, Floats]) -> bytes:
    """An `.npz` of the arrays and the feature version; no pickle, the same arrays give the same bytes."""
    buffer = BytesIO()
    meta = np.frombuffer(json.dumps({"features": FEATURE_VERSION, "kind": "mlp"}).encode(), dtype=np.uint8)
    numbers: dict[str, Any] = {name: np.asarray(arrays[name], dtype=np.float64) for name in SHAPES}
    np.savez(buffer, meta=meta, **numbers)
    return buffer.getvalue()


def unpack_weights(body: bytes, version: int, sha256: str) -> PolicyWeights:
    """Check bytes and make a policy of them. Raises ValueError that says what is wrong."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"{len(body)} bytes, {MOST_BYTES} are allowed")
    if hashlib.sha256(body).hexdigest() != sha256:
        raise ValueError("the hash is another one")
    try:
        with np.load(BytesIO(body), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(arrays.pop("meta").tobytes())
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged or hostile file
        raise ValueError(f"no weights: {error}"[:200]) from None
    if meta.get("features") != FEATURE_VERSION:
        raise ValueError(f"made for features {meta.get('features')!r}, these are {FEATURE_VERSION!r}")
    if set(arrays) != set(SHAPES):
        raise ValueError(f"holds {sorted(arrays)}")
    for name, shape in SHAPES.items():
        one = arrays[name]
        if one.dtype != np.float64 or one.shape != shape:
            raise ValueError(f"{name} is {one.dtype}{list(one.shape)}, needed is float64{list(shape)}")
        if not np.isfinite(one).all() or (np.abs(one) > _MOST).any():
            raise ValueError(f"{name} holds a value that is not finite, or above {_MOST:g}")
    return PolicyWeights(version, arrays, sha256)
