"""Messages to people: what is worth one, and how it gets there."""
