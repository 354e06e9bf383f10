"""Who may ask for what, how much, how fresh and how often: every intent passes here before the guardrails."""
