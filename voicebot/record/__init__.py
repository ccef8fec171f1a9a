"""Call records: written in a thread of their own, without secrets and card numbers; read by lists and pages."""
