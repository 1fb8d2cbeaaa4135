# The lethal trifecta: private data, text that anybody may have written, and a way out.
# Whoever wrote the text could have the agent send the data. What an operation reads and where it sends stands in the
# routing table; the gate taints the task with it, its parts too. Only marked until `settings` says `enforce`: see what
# it would deny first.
package tollgate.call

import data.tollgate.lib

trifecta if {
	not stays_inside
	"private" in input.task.taint
	"untrusted" in input.task.taint
}

# What is not known to stay inside goes outside.
stays_inside if input.call.sends == "inside"

trifecta_relaxed if data.tollgate.settings.trifecta in {"observe", "off"}

deny contains lib.reason("lethal_trifecta", message) if {
	is_call
	trifecta
	not trifecta_relaxed
	message := concat("", [
		"This task has read private data and text that anybody may have written, so nothing it sends may leave the ",
		$"trust domain, and {input.call.operation} does. Do it in another task that has not read both.",
	])
}

oblige contains {"mark": {"lethal_trifecta": "observed"}} if {
	is_call
	trifecta
	data.tollgate.settings.trifecta == "observe"
}
