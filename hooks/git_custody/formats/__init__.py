"""What a file is, from its bytes."""
