"""The APIs spoken here, each in a file with the same seven parts in the same order."""
