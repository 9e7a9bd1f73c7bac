"""One script for each budget, its peers beside it in the same run; `make bench` runs them all."""
