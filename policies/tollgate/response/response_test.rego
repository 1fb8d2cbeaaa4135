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

test_answers_of_tools_and_agents_come_without_cards_and_secrets if {
	every kind in ["tool", "agent"] {
		decision := response.decision with input as answer(kind)
		decision.obligations.redact == [{"type": "card"}, {"type": "api_key"}, {"type": "private_key"}, {"type": "jwt"}]
	}
}

test_answers_of_models_are_left_as_they_are if {
	decision := response.decision with input as answer("model")
	decision.allow == true
	decision.obligations == {}
}

test_a_document_that_is_no_answer_is_denied if {
	every document in [null, {}, {"phase": "call"}] {
		decision := response.decision with input as document
		decision.allow == false
		decision.reasons[0].code == "input_invalid"
	}
}
