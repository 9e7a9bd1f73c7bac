"""All instruments of a minute put into one view of the market."""
