# METADATA
# title: May this answer pass
# schemas:
#   - input: schema["input.response"]
package tollgate.response

import data.tollgate.lib

decision := lib.decide(allow, deny, oblige)

deny contains lib.reason("input_invalid", "The input is not that of an answer.") if not is_response

is_response if input.phase == "response"

allow contains reason if some reason in lib.none

oblige contains demand if some demand in lib.none
