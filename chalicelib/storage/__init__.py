"""Where things are kept: DynamoDB through pynamodb, secrets under KMS."""
