"""Files on disk: written whole or not at all, found without passing any over, told apart by their bytes."""
