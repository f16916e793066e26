"""What a model costs on a board, counted, estimated or measured, and whether board and host agree bit for bit."""
