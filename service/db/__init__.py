"""Tables, transactions and named queries; all SQL is here."""
