# Answers pass, without what an agent need not see.
# What an agent read, it may repeat to a model or a vendor. Personal data stays, for the agent works with it; card
# numbers and secrets do not.
package tollgate.response

import data.tollgate.lib

allow contains lib.reason("answer_to_allowed_call", "The call was allowed.") if is_response

oblige contains {"redact": [{"type": type} | some type in data.tollgate.classes.answers]} if {
	input.call.kind in {"tool", "agent"}
}
