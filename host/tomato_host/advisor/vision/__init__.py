"""Photos: captured, checked, measured, judged by a model, compared."""
