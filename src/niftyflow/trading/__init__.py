"""Trading: commands become intents, orders, fills and positions in a book that balances."""
