package tollgate.task_test

import data.tollgate.task

base := {
	"phase": "task",
	"agent": {
		"id": "coordinator", "issuer": "azure", "tenant": "acme", "cloud": "azure",
		"claims": {}, "actors": [], "verified_at_ms": 1,
	},
	"subject": {"id": "C", "type": "customer", "claims": {}, "assurance": "verified"},
	"task": {"purpose": "return_exception"},
	"gateway": {"id": "g", "cloud": "azure", "region": "westeurope"},
	"time": {"rfc3339": "2026-11-02T09:00:00.000Z", "unix_ms": 1, "weekday": "Monday", "hour": 9, "minute": 0},
}

decided(document) := decision if decision := task.decision with input as document

denied_for(document, code) if {
	decided(document).allow == false
	some reason in decided(document).reasons
	reason.code == code
}

test_a_listed_agent_opens_a_task_for_a_customer if decided(base).allow == true

test_an_unknown_purpose_is_denied_and_the_known_are_named if {
	document := object.union(base, {"task": {"purpose": "holiday"}})
	denied_for(document, "purpose_unknown")
	contains(decided(document).reasons[0].message, "return_exception")
}

test_an_agent_that_is_not_listed_is_denied if {
	every id in ["marketing", "xcoordinator", "coordinatorx"] {
		denied_for(object.union(base, {"agent": {"id": id}}), "agent_not_allowed")
	}
	decided(object.union(base, {"agent": {"id": "coordinator-7"}})).allow == true
}

test_an_agent_of_another_issuer_is_denied_whatever_its_name if {
	denied_for(object.union(base, {"agent": {"issuer": "aws"}}), "agent_not_allowed")
	denied_for(object.union(part, {"agent": {"issuer": "azure"}}), "agent_not_allowed")
}

test_a_task_needs_a_subject_of_the_right_type if {
	denied_for(object.union(base, {"subject": null}), "subject_required")
	denied_for(object.union(base, {"subject": {"type": "employee"}}), "subject_required")
}

test_an_asserted_subject_is_accepted_from_named_agents_only if {
	asserted := object.union(base, {"subject": {"assurance": "asserted"}})
	decided(asserted).allow == true
	purposes := {"return_exception": {
		"issuers": ["azure"],
		"agents": ["coordinator"],
		"subject": {"types": ["customer"], "asserted_by": []},
		"operations": {"a.b": {}},
	}}
	decision := task.decision with input as asserted with data.tollgate.purposes as purposes
	decision.allow == false
	decision.reasons[0].code == "asserted_subject"
}

self_service := object.union(base, {
	"agent": {"id": "spiffe://edge.example.internal/agents/self-service", "issuer": "edge"},
	"subject": {"issuer": "shop"},
	"task": {"purpose": "self_service"},
})

test_a_customer_is_proved_by_an_issuer_of_customers if decided(self_service).allow == true

test_another_issuer_does_not_prove_a_customer if {
	denied_for(object.union(self_service, {"subject": {"issuer": "staff"}}), "subject_issuer")
	nobody := object.union(self_service, {"subject": {"id": "C", "type": "customer", "assurance": "verified"}})
	denied_for(object.union(nobody, {"subject": {"issuer": ""}}), "subject_issuer")
}

test_nobody_may_assert_a_customer_of_the_self_service if {
	denied_for(object.union(self_service, {"subject": {"assurance": "asserted"}}), "asserted_subject")
}

whole_task := {"id": "task_0", "agent": "coordinator", "issuer": "azure", "purpose": "return_exception"}

part := object.union(base, {
	"agent": {"id": "legal-risk", "issuer": "onprem"},
	"subject": {"assurance": "asserted"},
	"task": {"purpose": "risk_assessment", "parent": whole_task},
})

test_another_agent_opens_a_part_of_the_task if decided(part).allow == true

test_a_part_is_not_opened_by_itself if {
	alone := object.union(object.remove(part, ["task"]), {"task": {"purpose": "risk_assessment"}})
	denied_for(alone, "parent_required")
}

test_a_part_belongs_to_a_task_for_a_listed_purpose if {
	other := object.union(part, {"task": {"parent": {"purpose": "marketing"}}})
	denied_for(other, "parent_required")
	denied_for(other, "asserted_subject")
}

test_what_is_no_part_is_not_opened_as_one if {
	denied_for(object.union(base, {"task": {"parent": whole_task}}), "not_a_part")
}

test_a_purpose_with_gaps_opens_nothing if {
	whole := {
		"issuers": ["azure"],
		"agents": ["coordinator"],
		"subject": {"types": ["customer"], "asserted_by": []},
		"operations": {"a.b": {}},
	}
	complete := task.decision with input as base with data.tollgate.purposes as {"return_exception": whole}
	complete.allow == true
	every member in ["issuers", "agents", "subject", "operations"] {
		purposes := {"return_exception": object.remove(whole, [member])}
		decision := task.decision with input as base with data.tollgate.purposes as purposes
		decision.allow == false
	}
}

test_who_asks_for_no_tools_gets_those_of_the_purpose if {
	"refunds.create_refund" in decided(base).grant.tools
	not "orders.delete_order" in decided(base).grant.tools
	count(decided(base).grant.tools) == 8
}

test_who_asks_for_tools_gets_those_of_them_that_the_purpose_lists if {
	document := object.union(base, {"task": {"tools": ["orders.*", "risk.assess_return", "orders.delete_order", "hr.*"]}})
	decided(document).allow == true
	decided(document).grant.tools == [
		"orders.get_customer", "orders.get_order",
		"orders.list_orders", "risk.assess_return",
	]
}

test_a_route_is_not_the_beginning_of_another_routes_name if {
	purposes := {"return_exception": {
		"issuers": ["azure"],
		"agents": ["coordinator"],
		"subject": {"types": ["customer"]},
		"operations": {"gpt-4.1.chat": {}},
	}}
	wider := object.union(base, {"task": {"tools": ["gpt-4.*"]}})
	decision := task.decision with input as wider with data.tollgate.purposes as purposes
	decision.allow == false
	exact := object.union(base, {"task": {"tools": ["gpt-4.1.*"]}})
	granted := task.decision.grant.tools with input as exact with data.tollgate.purposes as purposes
	granted == ["gpt-4.1.chat"]
}

test_who_asks_for_nothing_that_is_listed_gets_no_task if {
	every tools in [[], ["hr.fire"], ["*"]] {
		denied_for(object.union(base, {"task": {"tools": tools}}), "operation_not_in_purpose")
	}
}

test_life_and_budget_are_the_lower_of_asked_and_listed if {
	decided(base).grant.ttl_seconds == 3600
	decided(object.union(base, {"task": {"ttl_seconds": 60}})).grant.ttl_seconds == 60
	decided(object.union(base, {"task": {"ttl_seconds": 7200}})).grant.ttl_seconds == 3600
	purposes := {"return_exception": {"task": {"ttl_seconds": 10, "budget": {"calls": 50, "tokens": 900}}}}
	asked := object.union(base, {"task": {"budget": {"calls": 20, "tokens": 1000, "seconds": 5}}})
	budget := task.decision.grant.budget with input as asked with data.tollgate.purposes as purposes
	budget == {"calls": 20, "tokens": 900}
}

test_a_document_that_is_no_task_is_denied if {
	every document in [null, {}, {"phase": "call"}, object.remove(base, ["phase"])] {
		denied_for(document, "input_invalid")
	}
}
