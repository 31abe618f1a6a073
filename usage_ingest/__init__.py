"""From the usage events of an API gateway to totals that can be trusted."""
