"""Many independent tasks on one process, on several of this machine, or on a cluster (docs/cluster.md)."""
