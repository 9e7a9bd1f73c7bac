"""The gateway: REST and sockets over stores, topics and commands. It decides nothing, and owns no data but its keys."""
