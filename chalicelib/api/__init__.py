"""Who asks: HTTP in, HTTP out, one file for each of the APIs that are spoken."""
