# Circles end sooner where a purpose says so: `loops` of a purpose. The gate's own limits (`task.loop` of tollgate.yaml)
# hold beside these, and are the only ones that know of windows and of other tasks.
package tollgate.call

import data.tollgate.lib

# A bound that is no number is no bound, and nothing is below it.
is_below(amount, bound) if {
	is_number(bound)
	amount < bound
}

deny contains lib.reason("equal_calls", message) if {
	limit := purpose.loops.repeats
	not is_below(input.call.repeats, limit)
	message := concat("", [
		$"This task has made the same call to {input.call.operation} {input.call.repeats} times, and its purpose allows ",
		$"{limit}. Its answer will not change; do something else.",
	])
}

deny contains lib.reason("failures_in_a_row", message) if {
	limit := purpose.loops.failures_in_a_row
	not is_below(input.task.failures_in_a_row, limit)
	message := concat("", [
		$"The last {input.task.failures_in_a_row} calls of this task failed, and its purpose allows {limit} in a row. ",
		"It calls nothing more: say what does not work, and end it.",
	])
}

deny contains lib.reason("denial_storm", message) if {
	limit := purpose.loops.denials
	denied := sum([count.denied | some count in input.task.counts])
	not is_below(denied, limit)
	message := concat("", [
		$"{denied} calls of this task were refused, and its purpose allows {limit} in all. It calls nothing more: ",
		"say what was refused, and end it.",
	])
}
