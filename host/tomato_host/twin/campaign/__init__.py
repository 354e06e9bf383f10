"""Campaigns: many tents, faults and controllers, lived through without firmware and compared."""
