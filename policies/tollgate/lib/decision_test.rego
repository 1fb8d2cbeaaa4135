package tollgate.lib_test

import data.tollgate.lib

yes := {lib.reason("listed", "It is listed.")}

no := {lib.reason("forbidden", "It is forbidden.")}

test_nothing_said_is_a_denial if {
	decision := lib.decide(set(), set(), set())
	decision.allow == false
	decision.reasons[0].code == "no_rule_allows"
	decision.obligations == {}
}

test_an_allow_allows_and_says_why if {
	decision := lib.decide(yes, set(), set())
	decision.allow == true
	decision.reasons == [lib.reason("listed", "It is listed.")]
}

test_a_deny_beats_any_allow if {
	decision := lib.decide(yes, no, set())
	decision.allow == false
	decision.reasons == [lib.reason("forbidden", "It is forbidden.")]
}

test_what_is_no_reason_never_allows if {
	every element in [false, true, null, "yes", {}, {"code": "listed"}, {"code": 1, "message": 2}] {
		lib.decide({element}, set(), set()).allow == false
	}
}

test_whatever_stands_in_deny_denies if {
	every element in [false, null, "because", {}, 0] {
		decision := lib.decide(yes, {element}, set())
		decision.allow == false
		decision.reasons[0].code == "denied"
	}
}

test_a_denial_by_text_keeps_the_text if {
	lib.decide(yes, {"because"}, set()).reasons == [{"code": "denied", "message": "because"}]
}

test_obligations_are_merged if {
	lib.decide(yes, set(), {{"drop": ["/a"]}, {"drop": ["/b"]}}).obligations == {"drop": ["/a", "/b"]}
}
