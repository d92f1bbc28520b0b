"""What one may ask: use cases as plain functions of the services. They know ports, not adapters."""
