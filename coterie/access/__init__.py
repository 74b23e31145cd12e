"""Who may ask: keys with scopes, and tokens that a key stands behind."""
