"""The live status in a terminal or a log."""
