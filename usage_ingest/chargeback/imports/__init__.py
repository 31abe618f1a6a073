"""Files of prices, deployments, owners and names -> nouns; one module for each format. Pure."""
