"""The contract: everything that crosses a border between two rooms or two computers. Imports nothing of ours."""
