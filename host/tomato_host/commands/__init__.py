"""What operators ask of the running host: inbox, overrides, requests to the board."""
