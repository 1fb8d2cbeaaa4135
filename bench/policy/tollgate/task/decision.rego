# For the rows of the benchmark that have no policies on: every task may exist.
package tollgate.task

decision := {"allow": true, "reasons": []}
