# Answers pass, without what an agent need not see.
# What an agent read, it may repeat to a model or a vendor. Personal data stays, for the agent works with it; card
# numbers and secrets do not. The same for every answer, of a model too, and for one that streams: its decision is made
# before its first byte, with no body and no findings, and what it obliges is done to whatever is found as it flows.
package tollgate.response

import data.tollgate.lib

allow contains lib.reason("answer_to_allowed_call", "The call was allowed.") if is_response

oblige contains {"redact": [{"type": type} | some type in data.tollgate.classes.answers]} if is_response
