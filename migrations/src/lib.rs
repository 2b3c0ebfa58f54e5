//! Versioned SQL migrations, one per table or change, for SQLite and PostgreSQL.
