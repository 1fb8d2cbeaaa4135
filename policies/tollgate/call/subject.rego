# A task reaches the data of its own subject.
package tollgate.call

import data.tollgate.lib

# Wherever an argument of such a name stands, also deep in a body that the operation's schema leaves open.
same_subject_values contains {"name": name, "value": value} if {
	input.call.kind != "model"
	some name in purpose.same_subject
	walk(input.call.arguments, [path, value])
	path[count(path) - 1] == name
}

own_subject if {
	is_array(purpose.same_subject)
	every argument in same_subject_values {
		is_subject(argument.value)
	}
	subject_at_place
}

subject_at_place if not operation.subject_at

subject_at_place if subject_named(operation.subject_at)

deny contains lib.reason("other_customer", message) if {
	some argument in same_subject_values
	not is_subject(argument.value)
	message := $"{argument.name} is not the subject of this task. Ask for a task on behalf of that subject."
}

deny contains lib.reason("other_customer", message) if {
	operation
	not subject_at_place
	names := concat(" or ", operation.subject_at)
	message := $"{input.call.operation} must name the subject of this task in {names}."
}

subject_named(places) if {
	some place in places
	is_subject(object.get(input.call.arguments, split(place, "."), null))
}

is_subject(value) if value == input.subject.id
