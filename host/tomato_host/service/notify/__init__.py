"""Notifications: which records cause one, and how it is sent."""
