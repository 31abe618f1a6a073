"""Development-only stand-ins for the Azure services: nothing here is deployed."""
