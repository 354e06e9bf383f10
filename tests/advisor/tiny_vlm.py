"""Writes a tiny vision-language model with random weights: a Qwen2.5-VL, its text half and its projector.

It understands nothing, and it takes the very path through tokenizer, image encoder, sampler and grammar that the
real one takes. WIDE makes a half slow enough to be caught in the act.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CONTROL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
)  # fmt: skip
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PATCH = 14


@dataclass(frozen=True)
class Width:
    """Layers and vector sizes of one half of the model."""

    layers: int = 2
    size: int = 64
    inner: int = 128
    heads: int = 4


SMALL = Width()
WIDE = Width(layers=6, size=256, inner=768, heads=16)


def write_tiny_vlm(folder: Path, *, seed: int = 1, reads: Width = SMALL, sees: Width = SMALL) -> tuple[Path, Path]:
    """Write weights and projector into `folder`; about 1.4 MB together with both halves SMALL."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, projector = folder / "tiny-qwen2vl.gguf", folder / "tiny-mmproj.gguf"
    _write_text_half(weights, np.random.default_rng(seed), reads)
    _write_vision_half(projector, np.random.default_rng(seed + 1), sees, reads.size)
    return weights, projector


class _Tensors:
    """Adds random or unit tensors to a file."""

    def __init__(self, writer: gguf.GGUFWriter, rng: np.random.Generator, spread: float) -> None:
        self._writer, self._rng, self._spread = writer, rng, spread

    def random(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, (self._rng.standard_normal(shape) * self._spread).astype(np.float32))

    def ones(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, np.ones(shape, np.float32))


def _write_text_half(path: Path, rng: np.random.Generator, w: Width) -> None:
    writer = gguf.GGUFWriter(str(path), "qwen2vl")
    head, kv_heads = w.size // w.heads, w.heads // 2
    writer.add_block_count(w.layers)
    writer.add_context_length(8192)
    writer.add_embedding_length(w.size)
    writer.add_feed_forward_length(w.inner)
    writer.add_head_count(w.heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_sections([2, 3, 3, 0])
    vocabulary = _add_tokenizer(writer)
    tensors = _Tensors(writer, rng, 0.2 * (64 / w.size) ** 0.5)
    tensors.random("token_embd.weight", vocabulary, w.size)
    tensors.ones("output_norm.weight", w.size)
    tensors.random("output.weight", vocabulary, w.size)
    for layer in range(w.layers):
        _add_text_layer(tensors, f"blk.{layer}.", w, kv_heads * head)
    _finish(writer)


def _add_text_layer(tensors: _Tensors, at: str, w: Width, kv: int) -> None:
    for norm in ("attn_norm", "ffn_norm"):
        tensors.ones(f"{at}{norm}.weight", w.size)
    for name, rows in (("q", w.size), ("k", kv), ("v", kv)):
        tensors.random(f"{at}attn_{name}.weight", rows, w.size)
        tensors.random(f"{at}attn_{name}.bias", rows)
    tensors.random(f"{at}attn_output.weight", w.size, w.size)
    tensors.random(f"{at}ffn_gate.weight", w.inner, w.size)
    tensors.random(f"{at}ffn_up.weight", w.inner, w.size)
    tensors.random(f"{at}ffn_down.weight", w.size, w.inner)


def _write_vision_half(path: Path, rng: np.random.Generator, w: Width, text_size: int) -> None:
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_string("clip.projector_type", "qwen2.5vl_merger")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_silu", True)
    writer.add_bool("clip.use_gelu", False)
    for key, value in (
        ("patch_size", PATCH),
        ("image_size", 560),
        ("embedding_length", w.size),
        ("feed_forward_length", w.inner),
        ("block_count", w.layers),
        ("attention.head_count", w.heads),
        ("projection_dim", text_size),
        ("n_wa_pattern", 2),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.48, 0.46, 0.41])
    writer.add_array("clip.vision.image_std", [0.27, 0.26, 0.28])
    tensors = _Tensors(writer, rng, 0.1 * (64 / w.size) ** 0.5)
    tensors.random("v.patch_embd.weight", w.size, 3, PATCH, PATCH)
    tensors.random("v.patch_embd.weight.1", w.size, 3, PATCH, PATCH)
    tensors.ones("v.post_ln.weight", w.size)
    for layer in range(w.layers):
        _add_vision_layer(tensors, f"v.blk.{layer}.", w)
    for name, rows in (("mm.0", 4 * w.size), ("mm.2", text_size)):
        tensors.random(f"{name}.weight", rows, 4 * w.size)
        tensors.random(f"{name}.bias", rows)
    _finish(writer)


def _add_vision_layer(tensors: _Tensors, at: str, w: Width) -> None:
    for norm in ("ln1", "ln2"):
        tensors.ones(f"{at}{norm}.weight", w.size)
    for name, rows, columns in (
        ("attn_q", w.size, w.size),
        ("attn_k", w.size, w.size),
        ("attn_v", w.size, w.size),
        ("attn_out", w.size, w.size),
        ("ffn_gate", w.inner, w.size),
        ("ffn_up", w.inner, w.size),
        ("ffn_down", w.size, w.inner),
    ):
        tensors.random(f"{at}{name}.weight", rows, columns)
        tensors.random(f"{at}{name}.bias", rows)


def _add_tokenizer(writer: gguf.GGUFWriter) -> int:
    """One token a byte in GPT-2's printable spelling, then the control tokens. Returns the vocabulary's size."""
    tokens = [*_byte_spellings(), *CONTROL]
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])  # the loader insists on one; no such pair exists, so it never applies
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(258)
    writer.add_pad_token_id(256)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    return len(tokens)


def _byte_spellings() -> list[str]:
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
