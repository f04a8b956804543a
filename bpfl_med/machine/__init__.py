"""What the machine and the software on it allow: memory, processes, versions."""
