# METADATA
# title: May this task exist
# description: |
#   Besides `allow` and `deny`, rules say `grant contains {…}` to narrow what was asked for: tools, plan, budget,
#   ttl_seconds, labels, taint. A member that nobody grants stands as it was asked for, within the ceilings of the gate.
# schemas:
#   - input: schema["input.task"]
package tollgate.task

import data.tollgate.lib

decision := object.union(lib.decide(allow, deny, lib.none), {"grant": lib.merged(grant)})

deny contains lib.reason("input_invalid", "The input is not that of a task.") if not is_task

is_task if input.phase == "task"

allow contains reason if some reason in lib.none

grant contains part if some part in lib.none
