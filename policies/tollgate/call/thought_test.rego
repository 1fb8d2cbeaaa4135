package tollgate.thought_test

import data.tollgate.call
import data.tollgate.call_test

with_purpose(said) := {"return_exception": object.union(data.tollgate.purposes.return_exception, said)}

codes(document, said) := {reason.code | some reason in decision.reasons} if {
	decision := call.decision with input as document with data.tollgate.purposes as with_purpose(said)
}

goes(document, said) if codes(document, said) == {"listed_for_purpose"}

thought(match) := {"id": "tht_1", "source": "observed", "match": match}

read := call_test.base

write := call_test.own_refund(4500)

proposed(match) := object.union(write, {"thought": thought(match)})

asked := {"exact_thought": true}

of_operation(word) := {"operations": {"refunds.create_refund": {"exact_thought": word}}}

test_nobody_is_asked_for_a_thought_unless_the_purpose_says_so if {
	goes(write, {})
	goes(write, {"exact_thought": false})
}

test_a_write_needs_an_exact_thought if {
	goes(proposed("exact"), asked)
	codes(write, asked) == {"thought_not_exact"}
	every match in ["changed", "name", "none"] {
		codes(proposed(match), asked) == {"thought_not_exact"}
	}
}

test_a_read_needs_none if goes(read, asked)

test_an_operation_has_the_last_word if {
	goes(write, object.union(asked, of_operation(false)))
	codes(write, of_operation(true)) == {"thought_not_exact"}
}

test_what_is_no_plain_no_asks_for_it if {
	codes(write, {"exact_thought": "no"}) == {"thought_not_exact"}
	codes(write, {"exact_thought": null}) == {"thought_not_exact"}
}
