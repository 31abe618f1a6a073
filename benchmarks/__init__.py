"""What the app costs, measured on this machine: `make bench`. Development only, never deployed."""
