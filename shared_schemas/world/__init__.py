"""Messages of the shared world: what agents, clients and game engines exchange with a host."""
