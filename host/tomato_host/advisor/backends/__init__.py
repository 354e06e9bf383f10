"""Language model backends: a model in its own process, an HTTP endpoint, or none at all."""
