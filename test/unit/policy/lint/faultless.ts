/** Rules in which there is nothing to find, though a hasty look would. */
export const ruleRows: Readonly<Record<string, string>> = {
  'free-form parts': `package tollgate.call

deny contains "x" if {
	input.call.arguments.body.anything[_].at.all == "whatever"
	input.agent.claims.any.thing
	input.task.labels[input.call.operation]
	some e in input.task.history
	e.facts["body.x"] == "y"
	input.call.provenance["/body/x"] == "model"
}
`,
  'what may be something else, too': `package tollgate.call

kind := input.call.kind if input.call.stream

else := "other"

deny contains "x" if kind == "other"

deny contains "y" if {
	x := object.get(input.call, "effect", "none")
	x == "none"
}
`,
  'another input': `package tollgate.call

f := input.call.effect

deny contains "x" if f == "read" with input as {"call": {"effect": "read", "other": input.call.effect}}
`,
  'the event of a decision log': `package system.log

mask contains "/input/subject/id" if input.input.subject.id

drop if {
	input.path == "tollgate/call/decision"
	input.result.allow
}
`,
  'arguments and variables of the same names': `package tollgate.call

f(input_, task) if task.whatever == input_

deny contains "x" if {
	f("a", {"whatever": "a"})
	call := {"operation": "made.up"}
	call.operation == "made.up"
	[task | some task in [{"b": 1}]; task.b == 1]
}
`,
  'a read that rests on assertions': `package tollgate.call

reads if input.call.effect == "read"

allow contains "x" if {
	reads
	input.task.labels.any
}

allow contains "y" if {
	input.call.operation in {"orders.get_order"}
	input.call.arguments.body.any
}
`,
  'a write with somebody to vouch for it': `package tollgate.call

allow contains "x" if {
	input.call.arguments.body.amount < 100
	helper
}

helper if input.task.purpose == input.call.route

allow contains "y" if data.tollgate.open

allow contains "z" if input.call.operation == "refunds.create_refund"
`,
};
