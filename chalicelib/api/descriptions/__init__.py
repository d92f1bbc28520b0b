"""What each API's routes take and answer, as data for /openapi.json: a file for each, named as its dialect."""
