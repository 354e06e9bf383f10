"""Learning a policy from field reports, away from the loop: replay, PPO, validation, publication.

    reports -> replay (bounded, persistent) -> PPO on the drawn decisions (ratio, clip, KL stop) -> weights as arrays
    -> validation (performance, regression, chaos, property, security) -> promoted -> hot reload in the loop

One tent makes about 150 decisions a season, far too few to learn from: a policy is pre-trained on modelled seasons
(`seasons.py`) and decides only when it beats never, schedule and greedy on seasons that were kept back. Until then the
heuristic decides.
"""
