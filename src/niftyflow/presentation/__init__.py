"""What people look at: the dashboard's pages, built from `web/`. It talks only to the gateway."""
