"""Rolling-origin tests of the forecast on recorded data, beside the simple rules it has to beat."""
