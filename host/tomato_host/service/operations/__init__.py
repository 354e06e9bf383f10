"""Running as a service: unit and rule files, backup and restore."""
