# The engine of an arena: Godot's physics ticks, its places and collisions go to the host, pushes come back as effects.
# Environment: WORLD_URL (ws://127.0.0.1:8423), TOMATO_TOKEN of the agent "engine".
extends Spatial

const WorldStream = preload("res://world_stream.gd")
const PUSH_MPS = 1.0

var stream = WorldStream.new()
# Seconds of physics since the stream opened: the world's time from the first tick on.
var time_s = 0.0


func _ready():
	stream.connect("message", self, "_on_message")
	var host = OS.get_environment("WORLD_URL")
	stream.open(host if host != "" else "ws://127.0.0.1:8423", "arena", "engine", OS.get_environment("TOMATO_TOKEN"))
	for body in get_children():
		body.connect("touched", self, "_on_touched")


func _physics_process(delta):
	stream.poll()
	if stream.ended != "":
		push_error("engine: " + stream.ended)
		get_tree().quit(1)
	if not stream.is_open:
		return
	time_s += delta
	stream.tick(time_s, delta)
	for body in get_children():
		stream.move(body.name, body.translation, body.linear_velocity)


func _on_touched(a, b, position, impulse):
	stream.collision(a, b, position, impulse)


# What the host has accepted; nothing else moves a body from outside.
func _on_message(kind, body):
	if kind == "error":
		push_error("engine: %s %s" % [body["code"], body["text"]])
	if kind != "effect" or body["kind"] != "push":
		return
	var pushed = get_node_or_null(body["payload"]["body"])
	var to = body["payload"]["target"]
	if pushed != null:
		var way = Vector3(to[0], to[1], to[2]) - pushed.translation
		pushed.apply_central_impulse(way.normalized() * PUSH_MPS * pushed.mass)
