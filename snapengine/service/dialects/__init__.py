"""Vendors' wire formats. Their names exist here and nowhere else; each is one folder."""
