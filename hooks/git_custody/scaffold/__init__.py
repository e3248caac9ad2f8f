"""What `init` and `adopt` write into a repository, and how they do it without harm to what is there."""
