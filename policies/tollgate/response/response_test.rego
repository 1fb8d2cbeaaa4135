package tollgate.response_test

import data.tollgate.response

answer(kind) := {
	"phase": "response",
	"call": {"kind": kind, "operation": "orders.get_order"},
	"response": {"status": 200, "headers": {}, "findings": []},
}

test_an_answer_passes if {
	decision := response.decision with input as answer("tool")
	decision.allow == true
}

test_no_answer_brings_cards_or_secrets if {
	every kind in ["tool", "agent", "model"] {
		decision := response.decision with input as answer(kind)
		decision.obligations.redact == [{"type": "card"}, {"type": "api_key"}, {"type": "private_key"}, {"type": "jwt"}]
	}
}

test_an_answer_that_streams_is_decided_on_its_head if {
	streams := object.union(answer("model"), {"call": {"kind": "model", "operation": "gpt.chat", "stream": true}})
	decision := response.decision with input as streams
	decision.allow == true
	{"type": "card"} in decision.obligations.redact
}

test_a_document_that_is_no_answer_is_denied if {
	every document in [null, {}, {"phase": "call"}] {
		decision := response.decision with input as document
		decision.allow == false
		decision.reasons[0].code == "input_invalid"
	}
}
