# METADATA
# title: May this call go
# description: |
#   Only puts the sets together. Rules stand in the other files of this folder, and in any that a team adds; they say
#   `allow contains …`, `deny contains …` and `oblige contains …`.
# schemas:
#   - input: schema["input.call"]
package tollgate.call

import data.tollgate.lib

decision := lib.decide(allow, deny, oblige)

# What is asked is a call, or nothing is said at all: another document could leave fields undefined that rules negate.
deny contains lib.reason("input_invalid", "The input is not that of a call.") if not is_call

is_call if input.phase == "call"

allow contains reason if some reason in lib.none

oblige contains demand if some demand in lib.none
