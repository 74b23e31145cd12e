"""Which of two ideas earns more: who gets which, what they then did, and how sure that is."""
