"""Schema revisions, one file each, written out in full so that a later change of the metadata cannot alter them."""
