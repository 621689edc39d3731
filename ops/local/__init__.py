"""The embedded servers and the supervisor behind 'hopfleet up'."""
