"""What other standards' files say about a dataset: read so that nobody types it twice, and compared with its card."""
