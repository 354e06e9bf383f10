# One agent's stream of a shared world (shared_schemas/world/stream.proto, as JSON). Call poll() once a physics step.
extends Reference

# An object of the host: kind is welcome, observation, effect, answer or error.
signal message(kind, body)

const PROTOCOL = "tomato.world.v1+json"

# Why the stream has ended; empty while it is open or opening.
var ended = ""
var is_open = false
var _client = WebSocketClient.new()


# host like ws://127.0.0.1:8423. The token goes into the handshake's header, never into the address.
func open(host, tent, agent, token):
	_client.connect("connection_established", self, "_on_open")
	_client.connect("connection_error", self, "_on_end", [true])
	_client.connect("connection_closed", self, "_on_end")
	_client.connect("data_received", self, "_on_data")
	_client.set_buffers(256, 2048, 256, 2048)
	var address = "%s/api/world/%s/agents/%s/stream" % [host, tent, agent]
	var offered = PoolStringArray([PROTOCOL, "bearer." + token])
	if _client.connect_to_url(address, offered) != OK:
		ended = "no stream at " + host


func poll():
	if ended == "":
		_client.poll()


func close():
	_client.disconnect_from_host()


func tick(sim_time_s, dt_s):
	send("tick", {"sim_time_s": sim_time_s, "dt_s": dt_s})


func move(body, position, velocity):
	send("move", {"body": body, "position": numbers(position), "velocity": numbers(velocity)})


func collision(a, b, position, impulse):
	send("collision", {"a": a, "b": b, "position": numbers(position), "impulse": impulse})


# The same id again gets the same answer and has no second effect.
func intent(id, kind, payload):
	send("intent", {"id": id, "kind": kind, "payload": payload})


func send(kind, body):
	if is_open:
		_client.get_peer(1).put_packet(JSON.print({kind: body}).to_utf8())


static func numbers(vector):
	return [vector.x, vector.y, vector.z]


func _on_open(_protocol):
	_client.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_TEXT)
	is_open = true


func _on_end(was_clean):
	is_open = false
	ended = "closed" if was_clean else "the connection was lost"


func _on_data():
	var peer = _client.get_peer(1)
	while peer.get_available_packet_count() > 0:
		var parsed = JSON.parse(peer.get_packet().get_string_from_utf8())
		if parsed.error != OK:
			push_error("the host sent no JSON: " + parsed.error_string)
			continue
		for kind in parsed.result:
			emit_signal("message", kind, parsed.result[kind])
