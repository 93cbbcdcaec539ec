"""What the service remembers, in SQLite or PostgreSQL. Nothing else knows of SQLAlchemy."""
