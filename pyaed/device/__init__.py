"""The serial link to a board or its emulator: protocol, verification, benchmark."""
