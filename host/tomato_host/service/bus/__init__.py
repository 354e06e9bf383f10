"""The bus: all records published to a shared broker, over Redis Streams or MQTT; off by default."""
