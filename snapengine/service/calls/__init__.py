"""The domain calls, by what they are about."""
