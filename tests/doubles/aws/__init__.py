"""AWS for tests: a moto server that obeys policies and misbehaves on command, and a plugin that makes things on it."""
