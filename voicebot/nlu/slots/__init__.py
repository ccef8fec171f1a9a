"""Values in what a caller said: several candidates each, filtered by what is valid."""
