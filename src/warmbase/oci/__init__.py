"""The OCI formats: digests, tar, config, manifest and index documents, image layouts. No wheels here."""
