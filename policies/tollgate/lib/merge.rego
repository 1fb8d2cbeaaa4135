# How obligations and grants of many rules become one.
# Every rule's demand must hold, so the narrower one wins: lists of what to do are joined, lists of where something
# may go are cut, limits take the lowest value. What cannot be merged is passed on as the list of what was said;
# that is not the shape of any obligation, so the gate denies it.
package tollgate.lib

# METADATA
# description: One document of a set of documents, member by member.
merged(demands) := {kind: value |
	documents := [as_document(demand) | some demand in demands]
	some kind in {kind | some document in documents; some kind, _ in document}
	value := combined(kind, [document[kind] | some document in documents])
}

# A demand that is no document is kept under a name that no gate knows: it denies, and is not lost.
as_document(demand) := demand if {
	is_object(demand)
} else := {"malformed": demand}

joined := {"redact", "mask", "hash", "tokenize", "detokenize", "block", "drop", "taint"}

cut := {"regions", "clouds", "tools"}

combined(kind, values) := value if {
	count(values) == 1
	some value in values
} else := sort({item | some value in values; some item in value}) if {
	kind in joined
	all_arrays(values)
} else := sort({item | some value in values; some item in value; within_each(item, values)}) if {
	kind in cut
	all_arrays(values)
} else := object.union_n([least_value(values), {"on_excess": strictest(values)}]) if {
	kind == "max_tokens"
	every value in values {
		is_number(object.get(value, "value", 0))
		value.on_excess in {"lower", "deny"}
	}
} else := {"ttl_seconds": min([value.ttl_seconds | some value in values])} if {
	kind == "cache"
	every value in values {
		is_number(value.ttl_seconds)
	}
} else := {"tokens": min([value.tokens | some value in values])} if {
	kind == "wrap_up"
	every value in values {
		is_number(value.tokens)
	}
} else := "kill" if {
	kind == "on_spent"
	"kill" in values
	every value in values {
		value in {"kill", "pause"}
	}
} else := "pause" if {
	kind == "on_spent"
	every value in values {
		value == "pause"
	}
} else := min(values) if {
	kind == "ttl_seconds"
	every value in values {
		is_number(value)
	}
} else := {name: least |
	names := {name | some value in values; some name, _ in value}
	some name in names
	least := min({amount | some value in values; amount := value[name]})
} if {
	kind == "budget"
	every value in values {
		is_object(value)
	}
} else := object.union_n(sort([value | some value in values])) if {
	kind in {"mark", "labels"}
	every value in values {
		is_object(value)
	}
} else := sort([value | some value in values])

all_arrays(values) if {
	every value in values {
		is_array(value)
	}
}

# A demand without a value speaks of what the budgets have left, and sets no limit of its own.
least_value(values) := {"value": min(stated)} if {
	stated := {value.value | some value in values}
	count(stated) > 0
} else := {}

strictest(values) := "deny" if {
	some value in values
	value.on_excess == "deny"
} else := "lower"

# A pattern stays if every list has one that is equal or wider: of `eu-*` and `eu-central-1` the second stays.
within_each(item, lists) if {
	every list in lists {
		some pattern in list
		matches(pattern, item)
	}
}

# METADATA
# description: |
#   Whether `pattern` covers `item`. One `*` stands for any text; nothing else is special, and a pattern with two stars
#   covers only itself.
matches(pattern, item) if pattern == item

matches(pattern, item) if {
	[head, tail] := split(pattern, "*")
	count(item) >= count(head) + count(tail)
	startswith(item, head)
	endswith(item, tail)
}
