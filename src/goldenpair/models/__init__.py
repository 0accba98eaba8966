"""Networks and losses: pure PyTorch, plain arguments, no spec, no files."""
