# A body of the arena. Says whom it has touched, with the place and the impulse that the physics found.
extends RigidBody

signal touched(a, b, position, impulse)

var _touching = []


# Contacts are in the state of one step; a pair is reported once a touch, by the body whose name comes first.
func _integrate_forces(state):
	var now = []
	for i in range(state.get_contact_count()):
		var other = state.get_contact_collider_object(i)
		if other == null or other.name <= name or now.has(other.name):
			continue
		now.append(other.name)
		if not _touching.has(other.name):
			emit_signal("touched", name, other.name, state.get_contact_collider_position(i), state.get_contact_impulse(i))
	_touching = now
