package tollgate.call_test

import data.tollgate.call

# A read of the subject's own order; every test changes what it is about.
base := {
	"phase": "call",
	"agent": {
		"id": "coordinator", "issuer": "azure", "tenant": "acme", "cloud": "azure",
		"claims": {}, "actors": [], "verified_at_ms": 1,
	},
	"subject": {"id": "C", "type": "customer", "claims": {}, "assurance": "verified"},
	"task": {
		"id": "task_1", "purpose": "return_exception", "tools": null, "labels": {}, "started_at_ms": 1,
		"expires_at_ms": 2, "spent": {"tokens": 0, "cost_micro_usd": 0, "calls": 0},
		"remaining": {"tokens": 9, "cost_micro_usd": 9, "calls": 9}, "taint": [], "failures_in_a_row": 0,
		"history": [], "counts": {},
	},
	"call": {
		"id": "call_1", "kind": "tool", "route": "orders", "operation": "orders.get_order", "effect": "read",
		"reads": ["private"], "sends": "inside",
		"method": "GET", "path": "/customers/C/orders/7", "arguments": {"path": {"customer_id": "C", "order_id": "7"}},
		"model": null, "stream": false, "max_tokens": null, "tools": [], "repeats": 0, "provenance": {},
	},
	"thought": null, "findings": [],
	"gateway": {"id": "g", "cloud": "azure", "region": "westeurope"},
	"time": {"rfc3339": "2026-11-02T09:00:00.000Z", "unix_ms": 1, "weekday": "Monday", "hour": 9, "minute": 0},
}

with_call(changes) := object.union(base, {"call": changes})

refund(arguments, count) := object.union(
	with_call({
		"operation": "refunds.create_refund", "route": "refunds", "effect": "write", "method": "POST",
		"path": "/refunds", "arguments": arguments,
	}),
	{"task": {"counts": count}},
)

own_refund(amount) := refund({"path": {}, "body": {"customer_id": "C", "amount_cents": amount}}, {})

refund_after(spent, amount) := refund(
	{"body": {"customer_id": "C", "amount_cents": amount}},
	{"refunds.create_refund": {
		"calls": 1, "denied": 0, "failed": 0, "cost_micro_usd": 0,
		"sums": {"body.amount_cents": spent},
	}},
)

model := with_call({
	"kind": "model", "route": "planner", "operation": "planner.chat", "effect": "write", "method": "POST",
	"path": "/chat/completions", "arguments": {"temperature": 0}, "model": "planner",
	"tools": [{"name": "get_order", "kind": "function"}],
})

decided(document) := decision if decision := call.decision with input as document

codes(document) := {reason.code | some reason in decided(document).reasons}

denied_for(document, code) if {
	decided(document).allow == false
	code in codes(document)
}

test_a_listed_read_of_the_own_subject_is_allowed if {
	decided(base).allow == true
	codes(base) == {"listed_for_purpose"}
}

test_all_the_operations_of_the_purpose_are_allowed_in_their_plain_form if {
	every operation in ["orders.get_customer", "orders.list_orders", "orders.get_order"] {
		decided(with_call({"operation": operation})).allow == true
	}
	risk := {"operation": "risk.assess_return", "route": "risk", "arguments": {"body": {"customer_id": "C"}}}
	decided(with_call(risk)).allow == true
	decided(object.union(base, {"call": {"operation": "vendor.get_article", "route": "vendor"}})).allow == true
	decided(model).allow == true
	decided(own_refund(4500)).allow == true
}

test_an_unknown_purpose_is_denied if {
	denied_for(object.union(base, {"task": {"purpose": "holiday"}}), "purpose_unknown")
}

test_an_operation_that_is_not_listed_is_denied_and_the_listed_ones_are_named if {
	document := with_call({"operation": "orders.export_all"})
	codes(document) == {"operation_not_in_purpose"}
	decided(document).allow == false
	contains(decided(document).reasons[0].message, "orders.get_order, orders.list_orders")
}

test_a_delete_that_is_not_named_is_denied if {
	document := with_call({"operation": "orders.delete_order", "effect": "delete", "method": "DELETE"})
	decided(document).allow == false
	codes(document) == {"operation_not_in_purpose", "effect_not_allowed"}
}

test_a_listed_operation_with_another_effect_is_denied if {
	denied_for(with_call({"effect": "write"}), "effect_not_allowed")
	denied_for(with_call({"effect": "delete"}), "effect_not_allowed")
}

test_another_customers_data_is_denied_wherever_the_id_stands if {
	places := [
		{"path": {"customer_id": "D"}},
		{"query": {"customer_id": "D"}},
		{"body": {"customer_id": "D"}},
		{"body": {"items": [{"owner": {"customer_id": "D"}}]}},
		{"path": {"customer_id": ["C"]}},
	]
	every place in places {
		denied_for(with_call({"arguments": place}), "other_customer")
	}
}

test_a_required_subject_argument_that_is_missing_is_denied if {
	unnamed := object.union(object.remove(base, ["call"]), {"call": object.union(
		object.remove(base.call, ["arguments"]),
		{"arguments": {"path": {"order_id": "7"}}},
	)})
	denied_for(unnamed, "other_customer")
}

test_a_task_without_subject_reaches_nobodys_data if {
	denied_for(object.union(base, {"subject": null}), "other_customer")
}

test_a_refund_at_the_limit_passes_and_one_cent_more_does_not if {
	decided(own_refund(10000)).allow == true
	denied_for(own_refund(10001), "refund_over_limit")
	message := decided(own_refund(10001)).reasons[0].message
	message == "One refund may be at most 10000 cents; this one is 10001."
}

test_refunds_together_stay_under_the_limit_and_the_agent_learns_what_is_left if {
	decided(refund_after(9000, 6000)).allow == true
	denied_for(refund_after(9000, 6001), "refund_sum_over_limit")
	message := decided(refund_after(9000, 6001)).reasons[0].message
	contains(message, "may sum to 15000 cents; 9000 are spent, 6000 are left, and this call asks for 6001.")
	contains(decided(refund_after(16000, 1)).reasons[0].message, "0 are left")
}

test_an_amount_that_is_no_whole_number_is_denied if {
	every amount in [-1, 0.5, "100", null, [1]] {
		denied_for(own_refund(amount), "refund_amount_invalid")
	}
	denied_for(refund({"body": {"customer_id": "C"}}, {}), "refund_amount_invalid")
}

test_a_sum_that_the_gate_did_not_keep_is_denied if {
	count := {"calls": 1, "denied": 0, "failed": 0, "cost_micro_usd": 0, "sums": {}}
	document := refund({"body": {"customer_id": "C", "amount_cents": 1}}, {"refunds.create_refund": count})
	denied_for(document, "refund_sum_unknown")
}

test_denied_refunds_are_not_counted if {
	count := {"calls": 0, "denied": 3, "failed": 0, "cost_micro_usd": 0, "sums": {}}
	document := refund({"body": {"customer_id": "C", "amount_cents": 1}}, {"refunds.create_refund": count})
	decided(document).allow == true
}

purpose_with(operation) := {"p": {"same_subject": ["customer_id"], "operations": {"x.do": operation}}}

document_for(changes) := object.union(
	with_call(object.union({"operation": "x.do", "arguments": {"body": {"amount": 5}}}, changes)),
	{"task": {"purpose": "p"}},
)

test_a_write_whose_limits_are_missing_is_denied if {
	document := document_for({"effect": "write"})
	decision := call.decision with input as document
		with data.tollgate.purposes as purpose_with({"effects": ["write"]})
	decision.allow == false
	decision.reasons[0].code == "limits_missing"
}

test_limits_with_gaps_or_quoted_numbers_deny if {
	whole := {"name": "n", "argument": "body.amount", "unit": "cents", "each": 10, "task_sum": 20}
	allowed := call.decision.allow with input as document_for({"effect": "write"})
		with data.tollgate.purposes as purpose_with({"effects": ["write"], "limits": [whole]})
	allowed == true
	every limit in [
		object.union(whole, {"each": "10"}),
		object.union(whole, {"task_sum": "20"}),
		object.remove(whole, ["each"]),
		object.remove(whole, ["task_sum"]),
		object.remove(whole, ["argument"]),
	] {
		decision := call.decision with input as document_for({"effect": "write"})
			with data.tollgate.purposes as purpose_with({"effects": ["write"], "limits": [limit]})
		decision.allow == false
	}
}

test_a_purpose_that_does_not_say_whose_data_it_is_allows_nothing if {
	allowed := call.decision.allow with input as document_for({})
		with data.tollgate.purposes as {"p": {"operations": {"x.do": {"effects": ["read"]}}}}
	allowed == false
}

test_tools_that_act_at_the_provider_are_denied if {
	document := object.union(model, {"call": {"tools": [{"name": "search", "kind": "web_search"}]}})
	denied_for(document, "provider_side_tool")
}

test_a_model_without_a_token_cap_in_the_data_is_denied if {
	document := document_for({"kind": "model", "effect": "write"})
	decision := call.decision with input as document
		with data.tollgate.purposes as purpose_with({"effects": ["write"], "tool_kinds": ["function"]})
	decision.allow == false
	decision.reasons[0].code == "max_tokens_missing"
}

test_a_model_that_answers_in_no_token_needs_no_cap if {
	document := document_for({"kind": "model", "effect": "read", "max_tokens": 0})
	decision := call.decision with input as document
		with data.tollgate.purposes as purpose_with({"effects": ["read"], "tool_kinds": ["function"]})
	decision.allow == true
	not decision.obligations.max_tokens
}

test_models_get_a_token_cap_that_lowers if {
	decided(model).obligations.max_tokens == {"value": 4096, "on_excess": "lower"}
	not decided(base).obligations.max_tokens
}

test_whatever_call_finds_the_budget_spent_the_task_gets_the_turn_that_its_models_have if {
	turns := object.union(purpose_with({"effects": ["read", "write"]}).p.operations, {
		"m.chat": {"effects": ["write"], "tool_kinds": ["function"], "max_tokens": 9, "wrap_up": 300},
		"n.chat": {"effects": ["write"], "tool_kinds": ["function"], "max_tokens": 9, "wrap_up": 200},
	})
	purposes := {"p": {"same_subject": ["customer_id"], "operations": turns}}
	ofTool := call.decision with input as document_for({}) with data.tollgate.purposes as purposes
	ofTool.obligations.wrap_up == {"tokens": 200}
	chat := document_for({"kind": "model", "effect": "write", "operation": "m.chat", "tools": [], "max_tokens": 5})
	ofModel := call.decision with input as chat with data.tollgate.purposes as purposes
	ofModel.obligations.wrap_up == {"tokens": 300}
	not decided(base).obligations.wrap_up
}

test_answers_may_be_kept_only_where_the_data_says_for_how_long if {
	caching := {"effects": ["write"], "tool_kinds": ["function"], "max_tokens": 9, "cache_seconds": 60}
	decision := call.decision with input as document_for({"kind": "model", "effect": "write"})
		with data.tollgate.purposes as purpose_with(caching)
	decision.obligations.cache == {"ttl_seconds": 60}
	not decided(model).obligations.cache
}

test_personal_data_is_redacted_on_the_way_out_and_not_inside if {
	personal := [{"type": "email"}, {"type": "card"}, {"type": "iban"}]
	decided(model).obligations.redact == personal
	decided(with_call({"operation": "vendor.get_article"})).obligations.redact == personal
	not decided(base).obligations.redact
}

test_secrets_block_every_call if {
	secrets := [{"type": "api_key"}, {"type": "private_key"}, {"type": "jwt"}]
	every document in [base, model, own_refund(1)] {
		decided(document).obligations.block == secrets
	}
}

test_data_stays_in_the_regions_of_the_purpose_and_without_one_nowhere if {
	decided(base).obligations.regions == ["westeurope", "eu-*", "onprem-*"]
	decision := call.decision with input as document_for({})
		with data.tollgate.purposes as purpose_with({"effects": ["read"]})
	decision.obligations.regions == []
}

test_a_document_that_is_no_call_is_denied if {
	every document in [null, {}, [], "call", {"phase": "task"}, object.remove(base, ["phase"])] {
		denied_for(document, "input_invalid")
	}
}

test_a_truncated_call_is_denied if {
	every member in ["subject", "task", "call"] {
		document := object.remove(own_refund(100), [member])
		decided(document).allow == false
	}
}
