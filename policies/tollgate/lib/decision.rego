# METADATA
# title: How a decision is made of what rules say
# description: |
#   Every package hands its sets `allow`, `deny` and `oblige` to `decide`. A deny beats any allow, and nothing is
#   allowed by silence. Elements of `allow` and `deny` are `{code, message}`, best made by `lib.reason`.
#   What a reader would get wrong: an element that is no reason (`allow contains false`) never allows, but any
#   element of `deny` denies.
package tollgate.lib

# The empty set, for packages that must have a set which no rule may add to. By way of text, because `opa check` knows
# that nothing is ever in `set()` and refuses to look.
none := {item | some item in json.unmarshal("[]")}

# METADATA
# description: A reason; `code` is stable and read by programs, `message` tells the agent what it can do.
reason(code, message) := {"code": code, "message": message}

# METADATA
# description: The decision of one package, as policies/schema/decision.json describes it.
decide(allow, deny, oblige) := {
	"allow": permitted(allow, deny),
	"reasons": reasons(allow, deny),
	"obligations": merged(oblige),
}

default permitted(_, _) := false

permitted(allow, deny) if {
	count(deny) == 0
	some rule in allow
	is_reason(rule)
}

is_reason(rule) if {
	is_string(rule.code)
	is_string(rule.message)
}

reasons(allow, deny) := sort([rule | some rule in allow; is_reason(rule)]) if {
	permitted(allow, deny)
} else := sort([as_reason(rule) | some rule in deny]) if {
	count(deny) > 0
} else := [reason("no_rule_allows", "No rule of the policy allows this.")]

as_reason(rule) := rule if {
	is_reason(rule)
} else := reason("denied", rule) if {
	is_string(rule)
} else := reason("denied", "A rule denies this and does not say why.")
