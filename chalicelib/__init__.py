"""Belltower: jobs that fire to the second, at least once, with proof."""
