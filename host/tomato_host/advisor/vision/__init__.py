"""Photos: taken, gated, measured, judged, compared."""
