"""The policy: what to do with the growth slots tonight, how risky that is, and what came of it.

    packets of an epoch -> EpochView -> features and the mask of allowed actions -> a core chooses one of six actions
    -> blueprint from the catalogue -> risk engine (as is, mitigated, replaced, blocked) -> signed command
                                                                  \\-> observation window of 3 epochs -> FieldReport

A core is anything that maps (features, mask) to a choice: the heuristic (`heuristic.py`, deterministic, the default), a
network or a graph network (`networks.py`, torch). A learned core decides only after it was validated and promoted.
"""
