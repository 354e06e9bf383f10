"""MQTT and Home Assistant: the published state, and the commands accepted from the broker."""
