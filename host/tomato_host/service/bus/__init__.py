"""The bus: what is kept here, told to many: in this process by default, over Redis Streams or MQTT when asked."""
