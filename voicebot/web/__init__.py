"""The HTTP side: browser phone, health, readiness, metrics, and what the trunk doctor asks of the running server.

Touch `server` for routes, `phone` for how an offer becomes a call, `page_messages` for what server and page say to each
other, `page_sink` for which events a page is shown, `security` for headers and who may post. May import journal.
"""
