"""Encoders of texts, fine-tuned for a shop: by what people had together, and by its own words."""
