"""The planner: searches the best plan of the next day through the learned world model."""
