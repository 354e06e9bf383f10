"""The shared world: agents with views of their own, intents through one admission, effects in one log."""
