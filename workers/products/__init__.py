"""Products: the catalogue of ClickBank's marketplace, kept as its feed and its API tell."""
