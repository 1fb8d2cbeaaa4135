package tollgate.loops_test

import data.tollgate.call
import data.tollgate.call_test

with_limits(loops) := {"return_exception": object.union(data.tollgate.purposes.return_exception, {"loops": loops})}

codes(document, loops) := {reason.code | some reason in decision.reasons} if {
	decision := call.decision with input as document with data.tollgate.purposes as with_limits(loops)
}

goes(document, loops) if codes(document, loops) == {"listed_for_purpose"}

repeated(times) := object.union(call_test.base, {"call": {"repeats": times}})

failed(times) := object.union(call_test.base, {"task": {"failures_in_a_row": times}})

count_of(denied) := {"calls": 1, "denied": denied, "failed": 0, "cost_micro_usd": 0, "sums": {}}

refused(one, other) := object.union(call_test.base, {"task": {"counts": {"a.b": count_of(one), "c.d": count_of(other)}}})

test_an_equal_call_goes_as_often_as_the_purpose_says if {
	goes(repeated(2), {"repeats": 3})
	codes(repeated(3), {"repeats": 3}) == {"equal_calls"}
	codes(repeated(9), {"repeats": 3}) == {"equal_calls"}
}

test_after_so_many_failures_in_a_row_nothing_goes if {
	goes(failed(3), {"failures_in_a_row": 4})
	codes(failed(4), {"failures_in_a_row": 4}) == {"failures_in_a_row"}
}

test_refusals_count_over_all_operations_of_the_task if {
	goes(refused(2, 2), {"denials": 5})
	codes(refused(2, 3), {"denials": 5}) == {"denial_storm"}
	codes(refused(9, 0), {"denials": 5}) == {"denial_storm"}
}

test_a_purpose_that_says_nothing_leaves_it_to_the_gate if {
	goes(repeated(40), {})
	goes(failed(40), {})
	goes(refused(40, 40), {})
}

test_a_limit_that_is_no_number_lets_nothing_through if {
	codes(repeated(0), {"repeats": "3"}) == {"equal_calls"}
	codes(failed(0), {"failures_in_a_row": "3"}) == {"failures_in_a_row"}
	codes(refused(0, 0), {"denials": null}) == {"denial_storm"}
}

test_the_message_tells_how_often_and_what_to_do if {
	decision := call.decision with input as repeated(3)
		with data.tollgate.purposes as with_limits({"repeats": 3})
	contains(decision.reasons[0].message, "the same call to orders.get_order 3 times, and its purpose allows 3.")
}
