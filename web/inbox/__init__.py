"""Cases: the list, one case with its editor, actions, bulk replies."""
