# Runs the arena against a live host with a player of its own: a push, and the collision that comes back as an effect.
# Environment: WORLD_URL, TOMATO_TOKEN (engine), PLAYER_TOKEN. Prints one JSON line; exit code 0 when all of it happened.
extends Node

const WorldStream = preload("res://world_stream.gd")
const LONGEST_S = 20.0

var player = WorldStream.new()
var seen = {}
var steps = 0
var is_pushed = false


func _ready():
	player.connect("message", self, "_on_message")
	player.open(OS.get_environment("WORLD_URL"), "arena", "player", OS.get_environment("PLAYER_TOKEN"))


func _physics_process(delta):
	player.poll()
	steps += 1
	if seen.has("moved") and not is_pushed:
		is_pushed = true
		player.intent("godot-push", "push", {"body": "red", "target": [2.0, 0.0, 0.0]})
	var is_complete = seen.has("collision") and seen.has("after") and seen.has("answer")
	if not is_complete and player.ended == "" and steps * delta < LONGEST_S:
		return
	seen["ended"] = player.ended
	seen["steps"] = steps
	print(JSON.print(seen))
	get_tree().quit(0 if is_complete else 1)


func _on_message(kind, body):
	if kind == "answer" or kind == "error":
		seen[kind] = body
	if kind != "effect":
		return
	var payload = body["payload"]
	if body["kind"] == "body_moved":
		if not seen.has("collision"):
			seen["moved"] = payload
		elif payload["body"] == "blue" and payload["velocity"][0] > 0.0:
			seen["after"] = payload
	elif body["kind"] == "push" or body["kind"] == "collision":
		seen[body["kind"]] = {"source": body["source"], "sim_time_s": body["sim_time_s"], "payload": payload}
