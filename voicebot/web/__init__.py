"""The HTTP side: browser phone, health, readiness, metrics, and what the trunk doctor asks of the running server.

Touch `server` for routes, `phone` for how an offer becomes a call, `page_messages` for what server and page say to each
other, `page_sink` for which events a page is shown, `security` for headers and who may post, `own_hosts` for the names
that it answers to, `offer_limit` and `prompt_requests` for what one address or slow peer may hold. May import journal.
"""
