"""The advisor: sees, explains and remembers. It proposes nothing that moves and commands nothing at all."""
