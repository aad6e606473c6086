"""The state of every connection, and of the program."""
