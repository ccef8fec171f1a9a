"""A call that we place: `originate` makes it, `hunt` goes through hops and redirects, `invite` is one INVITE.

Touched for failover, redirects, forks, early media, or answers that come too late (`unwanted_answer`).
"""
