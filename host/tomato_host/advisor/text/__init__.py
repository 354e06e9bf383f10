"""Words about facts. Code renders the facts, a model may join them, and no number passes that code did not write."""
