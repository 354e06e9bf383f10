"""The deciding loop: clock, scheduler, episode, supervisor."""
