"""Pictures and figures for people, all in one style."""
