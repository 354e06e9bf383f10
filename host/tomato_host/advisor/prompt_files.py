"""Prompts and grammars as versioned files: read once, hashed, named in every record they helped to write."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One prompt file. `instructions` go to the system role, `question` holds `{{facts}}` or nothing to fill in."""

    name: str
    version: str
    grammar_name: str
    instructions: str
    question: str
    sha256: str

    def ask(self, facts: str = "") -> str:
        """The question with the facts in it."""
        return self.question.replace("{{facts}}", facts)


@dataclass(frozen=True, slots=True)
class GrammarFile:
    """One GBNF file."""

    text: str
    sha256: str


@cache
def prompt(name: str) -> PromptFile:
    """Read `prompts/<name>.md`: front matter between `---` lines, then two parts. Raises ValueError when malformed."""
    raw = (FOLDER / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    parts = raw.split("---\n", 2)
    if len(parts) != 3 or parts[0]:
        raise ValueError(f"prompt {name}: front matter between two --- lines is missing")
    head = dict(line.split(": ", 1) for line in parts[1].splitlines() if line)
    body = parts[2].split("# Question\n", 1)
    if len(body) != 2 or not body[0].startswith("# Instructions\n") or head.get("name") != name:
        raise ValueError(f"prompt {name}: needs name, '# Instructions' and '# Question'")
    return PromptFile(
        name=name,
        version=head["version"],
        grammar_name=head["grammar"],
        instructions=body[0].removeprefix("# Instructions\n").strip(),
        question=body[1].strip(),
        sha256=_sha256(raw),
    )


@cache
def grammar(name: str) -> GrammarFile:
    """Read `grammars/<name>.gbnf`."""
    text = (FOLDER / "grammars" / f"{name}.gbnf").read_text(encoding="utf-8")
    return GrammarFile(text, _sha256(text))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
