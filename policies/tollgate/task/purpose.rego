# Who may open a task, for what, and on whose behalf.
package tollgate.task

import data.tollgate.lib

purpose := data.tollgate.purposes[input.task.purpose]

# Asks for everything that must hold; the denials say what does not.
allow contains lib.reason("agent_of_purpose", "The purpose lists this agent and this subject.") if {
	agent_listed
	part_listed
	subject_listed
	subject_assured
	count(granted_tools) > 0
}

# Two issuers may name their agents alike: who says so is part of who it is.
agent_listed if {
	input.agent.issuer in purpose.issuers
	some pattern in purpose.agents
	lib.matches(pattern, input.agent.id)
}

deny contains lib.reason("purpose_unknown", message) if {
	not purpose
	known := concat(", ", sort(object.keys(data.tollgate.purposes)))
	message := $"The policy knows no such purpose. It knows: {known}."
}

deny contains lib.reason("agent_not_allowed", message) if {
	purpose
	not agent_listed
	message := $"This agent may not open tasks for the purpose {input.task.purpose}."
}

deny contains lib.reason("subject_required", message) if {
	purpose
	not subject_listed
	types := concat(", ", sort(purpose.subject.types))
	message := $"A task for {input.task.purpose} is on behalf of a subject of type: {types}."
}

subject_listed if input.subject.type in purpose.subject.types

deny contains lib.reason("asserted_subject", message) if {
	purpose
	input.subject.assurance == "asserted"
	not subject_assured
	message := "This agent must prove the subject with a token of theirs (`subject.token`)."
}

deny contains lib.reason("subject_issuer", message) if {
	purpose
	input.subject.assurance == "verified"
	not subject_assured
	message := $"For {input.task.purpose} the subject must be proved by a token of: {concat(", ", purpose.subject.issuers)}."
}

subject_assured if {
	input.subject.assurance == "verified"
	not purpose.subject.issuers
}

subject_assured if {
	input.subject.assurance == "verified"
	input.subject.issuer in purpose.subject.issuers
}

subject_assured if {
	some pattern in purpose.subject.asserted_by
	lib.matches(pattern, input.agent.id)
}

# A part has the subject of the whole, which was accepted when that was opened.
subject_assured if {
	input.task.parent
	part_listed
}

# What is no part of anything is not opened as one: the subject would be taken from a task of another purpose.
part_listed if {
	not purpose.part_of
	not input.task.parent
}

part_listed if input.task.parent.purpose in purpose.part_of

deny contains lib.reason("not_a_part", message) if {
	purpose
	not purpose.part_of
	input.task.parent
	message := $"A task for {input.task.purpose} is no part of another. Open it by itself."
}

deny contains lib.reason("parent_required", message) if {
	purpose.part_of
	not part_listed
	wholes := concat(", ", sort(purpose.part_of))
	message := $"A task for {input.task.purpose} is opened only as part of a task for: {wholes}."
}
