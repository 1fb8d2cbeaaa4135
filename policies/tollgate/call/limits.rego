# Writes stay under their limits, one by one and together.
# The sum is that of the whole task, with calls that are in flight now and without denied ones; the gate keeps it for
# arguments that the routing table lists under `remember`. If it does not, the second such call is denied.
package tollgate.call

import data.tollgate.lib

within_limits if {
	limits_stated
	every limit in object.get(operation, "limits", []) {
		is_kept(limit)
	}
}

limits_stated if input.call.effect == "read"

limits_stated if input.call.kind == "model"

limits_stated if is_array(operation.limits)

# A bound that is no number is no bound: any number is less than any text.
is_kept(limit) if {
	is_number(limit.each)
	is_number(limit.task_sum)
	sum_known(limit)
	amount(limit) <= limit.each
	spent(limit) + amount(limit) <= limit.task_sum
}

deny contains lib.reason("limits_missing", message) if {
	operation
	not limits_stated
	message := $"The purpose names no limits for {input.call.operation}, and a write needs them."
}

amount(limit) := value if {
	value := object.get(input.call.arguments, split(limit.argument, "."), null)
	is_number(value)
	value >= 0
	value == round(value)
}

# What the task has spent before this call; undefined if it made such calls and the gate did not keep their sum.
spent(limit) := 0 if {
	object.get(input.task.counts, [input.call.operation, "calls"], 0) == 0
} else := input.task.counts[input.call.operation].sums[limit.argument]

# A rule of its own, because `not is_number(spent(limit))` is undefined where `spent` is, and would deny nothing.
sum_known(limit) if is_number(spent(limit))

deny contains lib.reason(code, message) if {
	some limit in operation.limits
	not amount(limit)
	code := $"{limit.name}_amount_invalid"
	message := $"{limit.argument} must be a whole number of {limit.unit}, zero or more."
}

deny contains lib.reason(code, message) if {
	some limit in operation.limits
	asked := amount(limit)
	not asked <= limit.each
	code := $"{limit.name}_over_limit"
	message := $"One {limit.name} may be at most {limit.each} {limit.unit}; this one is {asked}."
}

deny contains lib.reason(code, message) if {
	some limit in operation.limits
	asked := amount(limit)
	before := spent(limit)
	not before + asked <= limit.task_sum
	left := max([0, limit.task_sum - before])
	code := $"{limit.name}_sum_over_limit"
	message := concat("", [
		$"All calls of {input.call.operation} in this task may sum to {limit.task_sum} {limit.unit}; ",
		$"{before} are spent, {left} are left, and this call asks for {asked}.",
	])
}

deny contains lib.reason(code, message) if {
	some limit in operation.limits
	not sum_known(limit)
	code := $"{limit.name}_sum_unknown"
	message := $"The sum of {limit.argument} over this task is not known, so its limit cannot be kept."
}
