# A write or delete carries out what a model of this task has proposed, where its purpose asks for that (`exact_thought`): the
# same arguments, seen by the gate in an answer of the model, and not carried out before. What an agent only reports, and
# what stands in the messages it sends to a model, is no such thing.
package tollgate.call

import data.tollgate.lib

# Whatever is not plainly `false` asks for it.
thought_asked if {
	input.call.kind != "model"
	input.call.effect != "read"
	object.get(operation, "exact_thought", object.get(purpose, "exact_thought", false)) != false
}

thought_exact if input.thought.match == "exact"

thought_fits if not thought_asked

thought_fits if thought_exact

default thought_match := "none"

thought_match := input.thought.match

deny contains lib.reason("thought_not_exact", message) if {
	thought_asked
	not thought_exact
	message := concat("", [
		$"{input.call.operation} must carry out a tool call that a model of this task has proposed through the gate: with ",
		$"the same arguments, and only once. This call is to such a proposal: {thought_match}.",
	])
}
