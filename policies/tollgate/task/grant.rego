# A task gets what its purpose needs, or the part of it that it asked for.
package tollgate.task

import data.tollgate.lib

grant contains {"tools": sort(granted_tools)}

granted_tools contains operation if {
	some operation, _ in purpose.operations
	asked_for(operation)
}

asked_for(_) if not input.task.tools

asked_for(operation) if operation in input.task.tools

# `{route}.*` means the route alone: `gpt-4.*` is not `gpt-4.1.chat`.
asked_for(operation) if {
	parts := split(operation, ".")
	route := concat(".", array.slice(parts, 0, count(parts) - 1))
	$"{route}.*" in input.task.tools
}

deny contains lib.reason("operation_not_in_purpose", message) if {
	purpose
	count(granted_tools) == 0
	listed := concat(", ", sort(object.keys(purpose.operations)))
	message := $"None of the tools asked for is part of the purpose {input.task.purpose}, which may use: {listed}."
}

grant contains {"ttl_seconds": min([purpose.task.ttl_seconds, asked])} if {
	asked := object.get(input.task, "ttl_seconds", purpose.task.ttl_seconds)
}

grant contains {"on_spent": purpose.task.on_spent}

grant contains {"budget": {name: min([most, object.get(input.task, ["budget", name], most)]) |
	some name, most in purpose.task.budget
}} if purpose.task.budget
