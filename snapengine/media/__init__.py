"""Containers and codecs. The only importer of ``av``; knows nothing of scaling or encoding."""
