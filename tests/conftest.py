"""How Hypothesis draws: the same examples on every run, so that a red test is red for everybody.

Fresh examples are drawn by `make explore` (and on request: `pytest --hypothesis-profile=exploring`); what they find
becomes a test of its own.
"""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("exploring", derandomize=False, print_blob=True)
settings.load_profile("repeatable")
