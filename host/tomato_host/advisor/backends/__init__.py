"""Where words come from: a model in its own process, an endpoint on this machine, or none at all."""
