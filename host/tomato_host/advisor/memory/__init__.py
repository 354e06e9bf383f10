"""What the advisor remembers: every wake cycle, and facts of the season. Only code writes facts."""
