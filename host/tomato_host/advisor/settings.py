"""Settings of the advisor: which model, which cameras, how long it may take. Everything has a default that is off."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tomato_host.addresses import WebAddress

MEMORY_FILE = ("private", "agent_memory.sqlite")
"""Below the data folder. Private: it holds what the public export would strike out."""

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class CameraSettings(BaseModel):
    """Where one camera's photos come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,48}$")] = "camera_main"
    """Name of the camera in records and file names."""
    kind: Literal["folder", "http", "usb", "rpicam"]
    """Where its photos come from."""
    path: Path | None = None
    """Folder that something else fills with JPEG or PNG files (kind = "folder"); the newest one counts."""
    url: WebAddress | None = None
    """Snapshot address (kind = "http")."""
    index: Annotated[int, Field(ge=0, le=63)] = 0
    """Number of the USB or Raspberry Pi camera."""
    timeout_s: Seconds = 10.0
    """Longest wait for one photo."""

    @model_validator(mode="after")
    def _has_its_address(self) -> CameraSettings:
        if self.kind == "folder" and self.path is None:
            raise ValueError(f"camera {self.name}: kind 'folder' needs path")
        if self.kind == "http" and self.url is None:
            raise ValueError(f"camera {self.name}: kind 'http' needs url")
        return self


class StaleSettings(BaseModel):
    """How far the state may move before an answer about the old one is no longer worth waiting for."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    air_temp_c: Annotated[float, Field(gt=0.0)] = 4.0
    """Change of the air temperature that makes an answer stale."""
    rh_pct: Annotated[float, Field(gt=0.0)] = 15.0
    """Change of the relative humidity that makes an answer stale."""
    vpd_kpa: Annotated[float, Field(gt=0.0)] = 0.6
    """Change of the vapour pressure deficit that makes an answer stale."""
    soil_moisture_pct: Annotated[float, Field(gt=0.0)] = 8.0
    """Change of the soil moisture that makes an answer stale."""
    debounce: Annotated[int, Field(ge=1, le=100)] = 3
    """So many newer states in a row must be beyond a threshold: one outlier cancels nothing."""


class AdvisorSettings(BaseModel):
    """The table `[advisor]` of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = True
    """False: the advisor does nothing at all, not even measure photos."""
    backend: Literal["none", "local", "http"] = "none"
    """none: template text and measured photos only. local: xllamacpp in its own process. http: llama-server, Ollama."""
    model_path: Path | None = None
    """Path of the GGUF model file (backend = "local")."""
    projector_path: Path | None = None
    """The mmproj file; without it the model reads no photos."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Processor threads of the local model."""
    context_tokens: Annotated[int, Field(ge=512, le=131_072)] = 4096
    """Context window of the model."""
    image_tokens_max: Annotated[int, Field(ge=4, le=4096)] = 256
    """256 tokens a photo: 41 s to the first token with a 7B on two cores; 1024 tokens: 149 s."""
    memory_mode: Literal["fast", "small"] = "fast"
    """small: 5.8 instead of 9.5 GB for a 7B model, a third slower."""
    keep_loaded: bool = False
    """True keeps the model in memory between wake cycles."""
    endpoint_url: WebAddress = "http://127.0.0.1:8080/v1"
    """Address of the OpenAI-compatible endpoint (backend = "http")."""
    endpoint_model: str = "default"
    """Model name that is asked for at the endpoint."""
    endpoint_dialect: Literal["llama_server", "openai"] = "llama_server"
    """llama_server understands our grammar; openai (Ollama) gets a JSON schema and stricter checks."""
    endpoint_key_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] = "TOMATO_LLM_API_KEY"
    """Name of the environment variable that holds the key; the key itself never stands in a file."""
    allow_remote_endpoint: bool = False
    """Photos leave the machine only when this is set."""
    cameras: Annotated[tuple[CameraSettings, ...], Field(max_length=8)] = ()
    """The cameras, up to 8; each `[[advisor.cameras]]` is one."""
    wake_every_s: Annotated[float, Field(ge=60.0, le=7 * 86_400.0)] = 7_200.0
    """At the first decision this long after the last wake."""
    photos_per_wake: Annotated[int, Field(ge=1, le=2)] = 1
    """Photos that are judged in one wake cycle."""
    keep_photos: bool = True
    """In the private track; `tomato-host dataset export` makes the public copies, without EXIF."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of the model's sampling."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.2
    """Sampling temperature of the model."""
    text_max_tokens: Annotated[int, Field(ge=32, le=1024)] = 192
    """Longest text answer."""
    vision_max_tokens: Annotated[int, Field(ge=420, le=2048)] = 480
    """At least 420: a model that writes byte by byte needs them for one verdict."""
    wake_deadline_s: Seconds = 900.0
    """The whole wake cycle; a 7B needs about 75 s a photo."""
    backoff_first_s: Seconds = 5.0
    """Pause after the first failed cycle; it doubles with each further one."""
    backoff_most_s: Seconds = 3600.0
    """Longest pause between two failed cycles."""
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 3
    """After so many failed cycles in a row the model is left alone for `breaker_rest_s`."""
    breaker_rest_s: Seconds = 6 * 3600.0
    """How long the model is left alone after `breaker_failures`."""
    stale: StaleSettings = StaleSettings()
    """Changes of the state that make an answer stale."""

    @model_validator(mode="after")
    def _complete_and_near(self) -> AdvisorSettings:
        if self.backend == "local" and self.model_path is None:
            raise ValueError("advisor.backend = 'local' needs advisor.model_path")
        if self.backend == "http" and not self.allow_remote_endpoint and not is_loopback(self.endpoint_url):
            raise ValueError(
                f"advisor.endpoint_url {self.endpoint_url} leaves this machine;"
                " set advisor.allow_remote_endpoint = true if that is meant"
            )
        return self


def is_loopback(url: str) -> bool:
    """True when the address can only be this machine. A name other than localhost counts as outside."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
