"""How much of a data set's files is read; each number is checked before memory is taken or work is done (docs/security.md)."""

MAX_SOUND_BYTES = 1 << 32  # of a sound file
MAX_SAMPLES = 1 << 28  # of all channels of one sound, and of its mix at the wanted rate: 1 GiB as floats
MAX_TABLE_BYTES = 1 << 26  # of a CSV file
MAX_ROWS = 1_000_000
MAX_COLUMNS = 100
MAX_CELL = 10_000  # characters
MAX_CATEGORIES = 10_000  # of one table
MAX_LABELS = 100  # of one clip
MAX_ONTOLOGY_BYTES = 1 << 23  # AudioSet's has 343 KB
MAX_ONTOLOGY_CLASSES = 2_000  # AudioSet has 632
MAX_ONTOLOGY_LINKS = 10_000  # from a class to those below it
