"""The outside: how a firing leaves, and what keeps it from going where it must not."""
