"""What a person may hand to somebody who helps them: how the box is, and nothing of what is in it."""
