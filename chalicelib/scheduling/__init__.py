"""What a job is: pure values and decisions. No dicts from outside, no HTTP, no AWS, no clock."""
