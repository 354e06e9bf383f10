"""The mutation gate: changes safety-critical code one spot at a time and demands that a test of behaviour notices."""
