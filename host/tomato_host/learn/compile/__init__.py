"""Compiling blueprints: one artifact a shape, made in a child process, resumed after a kill, stored in the catalogue.

    blueprints -> jobs (one a shape) -> child process with torch (AOTInductor; without a C++ compiler torch.export)
    -> file and hash in the catalogue

Weights are inputs of the compiled function, not constants in it: 20 network blueprints need 11 artifacts, and new
weights need no compilation. Trees are evaluated by numpy: their artifact is a line that says so.

`torch.compile` is what the requirement names. It keeps nothing on the disk that another process could load; a saved
eager module would be no compiled one. AOTInductor gives a file.

Every finished job stands in a write-ahead log with fsync; a restart repeats at most the job that was running.
"""
