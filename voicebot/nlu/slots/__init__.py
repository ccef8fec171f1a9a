"""Values in what a caller said: several candidates each, filtered by what the slot allows.

Touch the file of a type (`dates`, `digits`, `names` …) for how it is found, `extract` for which type looks where,
`limits` for what a slot allows, `thresholds` for how sure a value must be, `corrections` for "no, sorry, …".
"""
