"""What a board hears, as it comes: sessions, the terminal, recordings."""
