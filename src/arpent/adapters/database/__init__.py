"""Database: JobStore, WorkStore and ClientStore on SQLAlchemy Core: SQLite for one machine, PostgreSQL for many."""
