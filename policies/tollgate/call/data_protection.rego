# What leaves the trust domain carries no personal data, and nothing carries a secret.
package tollgate.call

oblige contains {"block": [{"type": type} | some type in data.tollgate.classes.secrets]} if is_call

oblige contains {"redact": [{"type": type} | some type in data.tollgate.classes.personal]} if sends_outside

sends_outside if input.call.kind == "model"

sends_outside if operation.sends == "outside"
