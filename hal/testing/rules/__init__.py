"""The runtime's rules, a module per chapter."""
