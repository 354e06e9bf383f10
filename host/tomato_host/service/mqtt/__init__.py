"""MQTT and Home Assistant: what a broker hears of the plant, and what may be asked through it."""
