"""Messages to the addresses that tenants named."""
