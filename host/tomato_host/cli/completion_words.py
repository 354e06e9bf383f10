"""Words that a shell offers for the values of options and arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator

PROGRAM = "tomato-host"
COMPLETE_VARIABLE = "_TOMATO_HOST_COMPLETE"
"""Set by a shell's completion script, as typer names it."""


def one_of(*words: str) -> Callable[[str], list[str]]:
    """For `autocompletion=`: those of `words` that begin as what was typed."""

    def offered(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return offered


def setting_keys(incomplete: str) -> list[str]:
    """Keys of the settings file, like `control.stage=`."""
    from pydantic import BaseModel

    from tomato_host.settings import Settings

    def keys(model: type[BaseModel], before: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, f"{before}{name}.")
            else:
                yield f"{before}{name}="

    return [key for key in keys(Settings, "") if key.startswith(incomplete)]
