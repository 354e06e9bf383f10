"""All nodes of one broker at a glance: read, judged, shown in a terminal and in the dashboard."""
