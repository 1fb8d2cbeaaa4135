# What a model may be asked.
package tollgate.call

import data.tollgate.lib

model_bounded if input.call.kind != "model"

model_bounded if {
	max_tokens_stated
	every tool in input.call.tools {
		tool_kind_listed(tool.kind)
	}
}

max_tokens_stated if is_number(operation.max_tokens)

# What answers in no token needs no cap: a count of the tokens of a prompt.
max_tokens_stated if input.call.max_tokens == 0

# A tool that acts at the provider acts past the gate.
deny contains lib.reason("provider_side_tool", message) if {
	some tool in input.call.tools
	not tool_kind_listed(tool.kind)
	message := concat("", [
		$"The request brings a tool of kind {tool.kind}, which acts at the provider and not through the gate. ",
		"Offer it as a function and call it through the gate.",
	])
}

tool_kind_listed(kind) if kind in operation.tool_kinds

oblige contains {"max_tokens": {
	"value": operation.max_tokens,
	"on_excess": object.get(operation, "on_excess", "lower"),
}} if input.call.kind == "model"

# Only who may go beyond the budget once, to end its work well.
oblige contains {"wrap_up": {"tokens": operation.wrap_up}} if input.call.kind == "model"

# Whatever call finds the budget spent, the task gets the turn that its models have.
oblige contains {"wrap_up": {"tokens": tokens}} if {
	input.call.kind != "model"
	tokens := min({turn | some turn in [of.wrap_up | some of in purpose.operations]})
}

# Answers are kept only where the data says so.
oblige contains {"cache": {"ttl_seconds": operation.cache_seconds}} if input.call.kind == "model"

# A model without a cap in the data would be one without a cap at all.
deny contains lib.reason("max_tokens_missing", message) if {
	input.call.kind == "model"
	operation
	not max_tokens_stated
	message := $"The purpose names no max_tokens for {input.call.operation}."
}
