"""The LLM advisor: explains and proposes, never commands."""
