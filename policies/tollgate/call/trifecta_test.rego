package tollgate.trifecta_test

import data.tollgate.call
import data.tollgate.call_test

# A model call of a task that may have read something; the shipped purpose allows it otherwise.
sending(taint, sends) := object.union(call_test.model, {"task": {"taint": taint}, "call": {"sends": sends}})

both := ["private", "untrusted"]

decided(document, mode) := decision if {
	decision := call.decision with input as document with data.tollgate.settings as {"trifecta": mode}
}

test_the_shipped_setting_lets_it_go_and_marks_it if {
	decision := call.decision with input as sending(both, "outside")
	decision.allow == true
	decision.obligations.mark == {"lethal_trifecta": "observed"}
}

test_enforced_it_is_denied if {
	decision := decided(sending(both, "outside"), "enforce")
	decision.allow == false
	decision.reasons[0].code == "lethal_trifecta"
	contains(decision.reasons[0].message, "planner.chat does")
	not decision.obligations.mark
}

test_any_word_but_observe_and_off_enforces if {
	every mode in ["Observe", "of", "", null, false, ["observe"]] {
		decided(sending(both, "outside"), mode).allow == false
	}
	unset := call.decision with input as sending(both, "outside") with data.tollgate.settings as {}
	unset.allow == false
}

test_switched_off_it_is_neither_denied_nor_marked if {
	decision := decided(sending(both, "outside"), "off")
	decision.allow == true
	not decision.obligations.mark
}

test_two_of_three_are_not_lethal if {
	every taint in [[], ["private"], ["untrusted"], ["private", "other"]] {
		decision := decided(sending(taint, "outside"), "enforce")
		decision.allow == true
	}
	inside := decided(sending(both, "inside"), "enforce")
	inside.allow == true
	not inside.obligations.mark
}

test_what_is_not_known_to_stay_inside_goes_outside if {
	unlabelled := object.union(call_test.model, {"task": {"taint": both}})
	document := json.remove(unlabelled, ["call/sends"])
	decided(document, "enforce").allow == false
}
