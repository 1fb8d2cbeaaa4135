# What leaves the trust domain carries no personal data, and nothing carries a secret.
package tollgate.call

oblige contains {"block": [{"type": type} | some type in data.tollgate.classes.secrets]} if is_call

oblige contains {"redact": [{"type": type} | some type in data.tollgate.classes.personal]} if sends_outside

sends_outside if input.call.kind == "model"

# Where the routing table says nothing of an operation, it says `outside` here.
sends_outside if input.call.sends == "outside"

# A purpose may hold an operation for outside that stays in the trust domain.
sends_outside if operation.sends == "outside"
