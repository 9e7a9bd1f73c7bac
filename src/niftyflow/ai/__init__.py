"""The model's side of a decision: what is asked, who answers, and who stands in when nobody does in time."""
