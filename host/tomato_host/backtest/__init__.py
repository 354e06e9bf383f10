"""Rolling-origin tests of the forecast on recorded data, beside the simple rules that it has to beat."""
