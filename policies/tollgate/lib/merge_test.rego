package tollgate.merge_test

import data.tollgate.lib

test_lists_of_what_to_do_are_joined_without_repeats if {
	merged := lib.merged({
		{"redact": [{"type": "email"}, {"type": "card"}]},
		{"redact": [{"type": "card"}, {"type": "iban"}]},
		{"taint": ["private"]},
	})
	merged == {"redact": [{"type": "card"}, {"type": "email"}, {"type": "iban"}], "taint": ["private"]}
}

test_places_are_cut_to_what_every_rule_lets_through if {
	regions := {"regions": ["eu-*", "westeurope"]}
	lib.merged({regions, {"regions": ["eu-central-1", "us-east-1", "westeurope"]}}) == {"regions": [
		"eu-central-1",
		"westeurope",
	]}
}

test_places_that_have_nothing_in_common_leave_none if {
	lib.merged({{"clouds": ["aws"]}, {"clouds": ["azure"]}}) == {"clouds": []}
}

test_the_lowest_token_limit_wins_and_deny_is_stricter_than_lower if {
	demands := {
		{"max_tokens": {"value": 100, "on_excess": "deny"}},
		{"max_tokens": {"value": 50, "on_excess": "lower"}},
	}
	lib.merged(demands) == {"max_tokens": {"value": 50, "on_excess": "deny"}}
	lower := {
		{"max_tokens": {"value": 100, "on_excess": "lower"}},
		{"max_tokens": {"value": 50, "on_excess": "lower"}},
	}
	lib.merged(lower) == {"max_tokens": {"value": 50, "on_excess": "lower"}}
}

test_a_demand_on_the_rest_of_the_budgets_alone_has_no_value if {
	rest := {"max_tokens": {"on_excess": "deny"}}
	lib.merged({rest, {"max_tokens": {"on_excess": "lower"}}}) == rest
	both := {rest, {"max_tokens": {"value": 50, "on_excess": "lower"}}}
	lib.merged(both) == {"max_tokens": {"value": 50, "on_excess": "deny"}}
}

test_the_shorter_last_turn_wins_and_a_task_that_one_rule_kills_is_killed if {
	lib.merged({{"wrap_up": {"tokens": 300}}, {"wrap_up": {"tokens": 200}}}) == {"wrap_up": {"tokens": 200}}
	lib.merged({{"on_spent": "pause"}, {"on_spent": "kill"}}) == {"on_spent": "kill"}
	lib.merged({{"on_spent": "pause"}}) == {"on_spent": "pause"}
	lib.merged({{"on_spent": "revive"}, {"on_spent": "kill"}}).on_spent == ["kill", "revive"]
}

test_the_shortest_time_wins_that_an_answer_may_be_kept if {
	lib.merged({{"cache": {"ttl_seconds": 60}}, {"cache": {"ttl_seconds": 30}}}) == {"cache": {"ttl_seconds": 30}}
	lib.merged({{"cache": {"ttl_seconds": "1"}}, {"cache": {}}}).cache == [{}, {"ttl_seconds": "1"}]
}

test_the_shortest_life_and_the_smallest_budget_win if {
	lib.merged({
		{"ttl_seconds": 60, "budget": {"calls": 5, "tokens": 10}},
		{"ttl_seconds": 30, "budget": {"calls": 9}},
	}) == {"ttl_seconds": 30, "budget": {"calls": 5, "tokens": 10}}
}

test_marks_are_united if {
	lib.merged({{"mark": {"a": 1}}, {"mark": {"b": 2}}}) == {"mark": {"a": 1, "b": 2}}
}

test_two_different_approvals_have_no_merged_shape if {
	first := {"role": "lead", "ttl_seconds": 60, "reason": "big"}
	second := {"role": "legal", "ttl_seconds": 60, "reason": "odd"}
	lib.merged({{"approval": first}, {"approval": second}}) == {"approval": [first, second]}
}

test_demands_of_odd_shape_are_not_lost if {
	lib.merged({"redact everything"}) == {"malformed": "redact everything"}
	lib.merged({{"drop": "/a"}, {"drop": ["/b"]}}) == {"drop": ["/a", ["/b"]]}
	lib.merged({{"max_tokens": 5}, {"max_tokens": {"value": 9, "on_excess": "lower"}}}).max_tokens[0] == 5
}

test_one_star_stands_for_any_text if {
	lib.matches("eu-*", "eu-central-1")
	lib.matches("*-eu", "west-eu")
	lib.matches("spiffe://*/coordinator", "spiffe://prod/coordinator")
	lib.matches("*", "anything")
	lib.matches("exact", "exact")
}

test_patterns_do_not_match_more_than_they_say if {
	not lib.matches("eu-*", "us-east-1")
	not lib.matches("a*a", "a")
	not lib.matches("*eu*", "west-eu-1")
	not lib.matches("eu.central", "eu-central")
	not lib.matches("", "x")
}
