# Data stays in the regions of its purpose.
package tollgate.call

# A purpose that names no region may use none.
oblige contains {"regions": object.get(purpose, "regions", [])} if is_call
