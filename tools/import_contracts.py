"""An import-linter contract that lists what may be imported, so that a new name is refused until somebody allows it."""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowListContract(Contract):  # type: ignore[misc]
    """Modules below `modules` import nothing but `allowed` (a name allows everything below it)."""

    modules: Any = fields.ListField(subfield=fields.StringField())
    allowed: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collect every direct import that no allowed name covers."""
        found = []
        for module in sorted(graph.modules):
            if not _covered(module, self.modules):
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(module)):
                if not _covered(imported, self.allowed):
                    details = graph.get_import_details(importer=module, imported=imported)
                    found.append((module, imported, [detail["line_number"] for detail in details]))
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: Any) -> None:
        """One line for each import that is not allowed."""
        for module, imported, lines in check.metadata["found"]:
            output.print_error(f"{module} imports {imported} (line {', '.join(map(str, lines)) or '?'}): not allowed")


def _covered(name: str, roots: list[str]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)
