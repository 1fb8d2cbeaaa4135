# For the rows of the benchmark that have no policies on: every call may go.
package tollgate.call

decision := {"allow": true, "reasons": []}
