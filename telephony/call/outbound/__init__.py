"""A call that we place, from the wish to its answer or failure.

Touch `originate` for over which trunk and as whom, `hunt` for the order of hops, `invite` for one INVITE to one of
them, `forking` for several parties that ring, `redirects` for 3xx, `unwanted_answer` for a 200 that came too late.
"""
