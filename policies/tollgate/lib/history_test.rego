package tollgate.history_test

import data.tollgate.lib

entry(operation, state, at_ms) := {"operation": operation, "state": state, "at_ms": at_ms, "facts": {}}

counted(calls, sums) := {"calls": calls, "denied": 0, "failed": 0, "cost_micro_usd": 0, "sums": sums}

asking(operation, history, counts) := {
	"call": {"operation": operation},
	"task": {"history": history, "counts": counts},
	"time": {"unix_ms": 100000},
}

two_refunds := asking("refunds.create", [], {
	"refunds.create": counted(2, {"body.cents": 700}),
	"refunds.repay": counted(1, {"body.cents": 50}),
	"mail.send": counted(0, {}),
})

test_calls_are_counted_over_the_task_by_name_and_by_pattern if {
	lib.count_of("refunds.create") == 2 with input as two_refunds
	lib.count_of("refunds.*") == 3 with input as two_refunds
	lib.count_of("hr.fire") == 0 with input as two_refunds
}

test_what_was_only_denied_was_not_called if {
	lib.called("refunds.create") with input as two_refunds
	not lib.called("mail.send") with input as two_refunds
	not lib.called("hr.fire") with input as two_refunds
}

test_facts_are_summed_over_the_task if {
	lib.sum_of("refunds.create", "body.cents") == 700 with input as two_refunds
	lib.sum_of("refunds.*", "body.cents") == 750 with input as two_refunds
	lib.sum_of("mail.send", "body.cents") == 0 with input as two_refunds
	lib.sum_of("hr.fire", "body.cents") == 0 with input as two_refunds
}

test_a_sum_that_was_not_kept_is_more_than_any_limit if {
	lib.sum_of("refunds.create", "body.euros") >= lib.unknown_sum with input as two_refunds
	odd := asking("a.b", [], {"a.b": counted(1, {"body.cents": "700"})})
	lib.sum_of("a.b", "body.cents") >= lib.unknown_sum with input as odd
}

read_mail := {"mail.read": counted(1, {})}

test_never_after_forbids_the_second_once_the_first_was_called if {
	not lib.never_after("mail.read", "web.*") with input as asking("web.post", [], read_mail)
	lib.never_after("mail.read", "web.*") with input as asking("web.post", [], {})
	lib.never_after("mail.read", "web.*") with input as asking("orders.get", [], read_mail)
	lib.never_after("mail.read", "mail.read") with input as asking("mail.read", [], {})
}

test_never_after_holds_long_after_the_history_forgot if {
	long := [entry("orders.get", "done", at) | some at in numbers.range(1, 50)]
	not lib.never_after("mail.read", "web.*") with input as asking("web.post", long, read_mail)
}

test_never_after_is_not_true_of_an_input_that_is_no_call if {
	not lib.never_after("mail.read", "web.*") with input as {}
	not lib.never_after("mail.read", "web.*") with input as {"call": {"operation": "web.post"}}
}

test_after_asks_for_an_answer_and_not_for_a_try if {
	every state in ["pending", "failed", "denied"] {
		not lib.after("approvals.request") with input as asking("x.y", [entry("approvals.request", state, 1)], {})
	}
	lib.after("approvals.request") with input as asking("x.y", [entry("approvals.request", "done", 1)], {})
	lib.after("approvals.*") with input as asking("x.y", [entry("approvals.request", "done", 1)], {})
}

test_after_does_not_know_what_the_history_forgot if {
	long := [entry("orders.get", "done", at) | some at in numbers.range(1, 50)]
	not lib.after("approvals.request") with input as asking("x.y", long, {"approvals.request": counted(1, {})})
}

test_within_last_looks_at_the_time_of_calls_that_were_not_denied if {
	recent := asking("x.y", [entry("mail.send", "failed", 95000)], {"mail.send": counted(1, {})})
	lib.within_last("mail.send", 5000) with input as recent
	not lib.within_last("mail.send", 4999) with input as recent
	denied := asking("x.y", [entry("mail.send", "denied", 95000)], {"mail.send": counted(0, {})})
	not lib.within_last("mail.send", 5000) with input as denied
}

test_within_last_errs_towards_yes_where_the_history_is_cut if {
	long := [entry("orders.get", "done", 90000 + at) | some at in numbers.range(1, 50)]
	counts := {"orders.get": counted(50, {}), "mail.send": counted(1, {})}
	lib.within_last("mail.send", 60000) with input as asking("x.y", long, counts)
	not lib.within_last("mail.send", 5000) with input as asking("x.y", long, counts)
	not lib.within_last("orders.delete", 60000) with input as asking("x.y", long, counts)
}
