"""A single sign-on site on Flask that logs as much as a developer in a hurry would."""
