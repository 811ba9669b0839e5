"""The ground floor: settings, the embedded server, connections, migrations, bulk writes and the trading calendar."""
