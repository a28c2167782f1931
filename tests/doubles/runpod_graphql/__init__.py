"""RunPod's GraphQL API, as far as the provider `pulumi-runpod` 0.1.5 uses it for lasting things.

`RunpodGraphql(account)` serves an account of `tests.doubles.runpod`, so that what one API makes the other one shows.
`interface.py` and `plugin.py` are that provider's stand-in; `RUNPOD_PLUGIN=/path` puts a real one in its place.
"""
