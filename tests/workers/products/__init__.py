"""The catalogue of products: syncs, sources, pacing."""
