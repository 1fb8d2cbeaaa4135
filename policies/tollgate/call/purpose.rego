# A task calls what its purpose lists, and nothing else.
# `allow` asks for everything that must hold, and the denials only say what does not: a denial whose message cannot be
# made, because the data has a gap, must not let a call through.
package tollgate.call

import data.tollgate.lib

purpose := data.tollgate.purposes[input.task.purpose]

operation := purpose.operations[input.call.operation]

allow contains lib.reason("listed_for_purpose", "The purpose lists this operation with this effect.") if {
	effect_listed
	own_subject
	within_limits
	model_bounded
	thought_fits
}

effect_listed if input.call.effect in operation.effects

deny contains lib.reason("purpose_unknown", "The policy knows no such purpose. Open a task for one that it knows.") if {
	not purpose
}

deny contains lib.reason("operation_not_in_purpose", message) if {
	purpose
	not operation
	listed := concat(", ", sort(object.keys(purpose.operations)))
	message := $"{input.call.operation} is not part of the purpose {input.task.purpose}, which may use: {listed}."
}

deny contains lib.reason("effect_not_allowed", message) if {
	operation
	not effect_listed
	listed := concat(", ", sort(operation.effects))
	message := $"{input.call.operation} has the effect {input.call.effect}; the purpose allows: {listed}."
}

# Said besides `operation_not_in_purpose`, so that an agent stops looking for another way to delete.
deny contains lib.reason("effect_not_allowed", "Nothing is deleted unless the purpose names the operation for it.") if {
	input.call.effect == "delete"
	not effect_listed
}
