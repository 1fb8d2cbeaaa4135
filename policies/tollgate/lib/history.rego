# What happened before in the task, a line each.
# `operation` is a name or a pattern with one `*` (`orders.*`); `gpt-4.*` covers `gpt-4.1.chat` too. The call that is
# decided on is in none of it. `input.task.counts` covers the whole task; `input.task.history` is its last 50 calls, and
# where an answer would need more, each rule says which way it errs. They are made to be read in calls and answers.
package tollgate.lib

# How many calls a policy sees of the history; with so many there may have been more.
history_max := 50

# Stands for a sum that is not known: more than any limit.
unknown_sum := 9007199254740991

# METADATA
# description: |
#   Calls of `operation` in the whole task that were not denied: done, failed and in flight.
#
#       deny contains lib.reason("enough", "Two letters are enough.") if lib.count_of("mail.send") >= 2
count_of(operation) := sum([count.calls |
	some name, count in input.task.counts
	matches(operation, name)
])

# METADATA
# description: |
#   Whether `operation` was called in the task, whatever came of it: done, failed, or in flight. Where something must
#   have succeeded before, ask `after`.
#
#       deny contains lib.reason("once", "The refund was asked for.") if lib.called("refunds.create_refund")
called(operation) if count_of(operation) > 0

# METADATA
# description: |
#   The sum of a remembered argument over the whole task, pending calls in it and denied ones left out. Where such calls
#   were made and the gate kept no sum of the fact, it is more than any limit (`unknown_sum`). Negative amounts lower it:
#   refuse those where they are asked for.
#
#       deny contains lib.reason("too_much", "150 euros are the most.") if {
#           amount := input.call.arguments.body.amount_cents
#           lib.sum_of("refunds.create_refund", "body.amount_cents") + amount > 15000
#       }
sum_of(operation, fact) := sum([kept(count, fact) |
	some name, count in input.task.counts
	matches(operation, name)
	count.calls > 0
])

kept(count, fact) := count.sums[fact] if {
	is_number(count.sums[fact])
} else := unknown_sum

# METADATA
# description: |
#   True unless `next` is asked for now and `first` was called before, whatever came of it: "no egress after reading
#   mail". Counts decide it, so it holds over the whole task. False for an input that is no call.
#
#       deny contains lib.reason("no_egress", "Nothing goes out once mail was read.") if {
#           not lib.never_after("mail.read", "web.*")
#       }
default never_after(_, _) := false

never_after(_, next) if {
	is_string(input.call.operation)
	not matches(next, input.call.operation)
}

never_after(first, _) if {
	is_object(input.task.counts)
	not called(first)
}

# METADATA
# description: |
#   Whether a call of `operation` was answered well before: "an approval before a refund". Pending and failed ones do
#   not count. Only the history tells, so one that is more than 50 calls ago is not known any more, and must be made
#   again: the answer errs towards no.
#
#       deny contains lib.reason("approval_first", "Ask approvals.request first.") if {
#           input.call.operation == "refunds.create_refund"
#           not lib.after("approvals.request")
#       }
after(operation) if {
	some entry in input.task.history
	entry.state == "done"
	matches(operation, entry.operation)
}

# METADATA
# description: |
#   Whether `operation` was called in the last `milliseconds`, whatever came of it. Where the history is full, all of it
#   lies within that time, and the counts know of further calls, it errs towards yes.
#
#       deny contains lib.reason("slowly", "One letter a minute.") if lib.within_last("mail.send", 60000)
within_last(operation, milliseconds) if {
	some entry in calls_in_history(operation)
	entry.at_ms >= input.time.unix_ms - milliseconds
}

within_last(operation, milliseconds) if {
	count(input.task.history) >= history_max
	input.task.history[0].at_ms >= input.time.unix_ms - milliseconds
	count_of(operation) > count(calls_in_history(operation))
}

calls_in_history(operation) := [entry |
	some entry in input.task.history
	entry.state != "denied"
	matches(operation, entry.operation)
]
