"""How good is a model at reading photos? Labelled photos in, figures and a report out."""
