"""What recognisers and voices have in common: watching them, resting and probing broken ones, Pipecat's services.

Limits and rests are in supervision.py, how a service of Pipecat is run in pipecat.py, how it is named in
pipecat_settings.py. May import no room."""
