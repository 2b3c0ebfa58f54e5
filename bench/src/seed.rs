//! Many users in SQL, fast: copies of the one that the command line made, in statements that the
//! database runs by itself. Columns are asked for, so that a migration does not break this.

use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};

use crate::error::BenchError;

/// Rows that one statement makes.
const BATCH: usize = 50_000;

/// Makes `user-1` to `user-{count - 1}`, like `user-0` and with the same password.
pub(crate) async fn users(url: &str, count: usize) -> Result<(), BenchError> {
    let database = Database::connect(url).await?;
    let users = Copy::of(&database, "users", |column| match column {
        "id" => Some("'00000000-0000-4000-8000-' || {n12}"),
        "username" => Some("'user-' || {n}"),
        "email" => Some("'user-' || {n} || '@example.com'"),
        _ => None,
    });
    let users = users.await?.only("username = 'user-0'");
    let passwords = Copy::of(&database, "password_credentials", |column| match column {
        "user_id" => Some("'00000000-0000-4000-8000-' || {n12}"),
        _ => None,
    });
    let passwords = passwords
        .await?
        .only("user_id = (SELECT id FROM users WHERE username = 'user-0')");
    let mut from = 1;
    while from < count {
        let to = (from + BATCH).min(count);
        database
            .execute_unprepared(&users.statement(from, to))
            .await?;
        database
            .execute_unprepared(&passwords.statement(from, to))
            .await?;
        from = to;
    }
    tidy(&database).await?;
    Ok(database.close().await?)
}

/// Makes grants and events, `count` of each, like the first ones.
pub(crate) async fn grants_and_events(url: &str, count: usize) -> Result<(), BenchError> {
    let database = Database::connect(url).await?;
    for table in ["grants", "audit_events"] {
        // The hundredth user has the hundredth grant, where there is one.
        let copies = Copy::of(&database, table, |column| match column {
            "id" => Some("'0-' || {n12}"),
            "user_id" => Some("'00000000-0000-4000-8000-' || {n12}"),
            "session_id" => Some("'session-' || {n}"),
            _ => None,
        });
        let copies = copies.await?;
        let mut from = 1;
        while from < count {
            let to = (from + BATCH).min(count);
            database
                .execute_unprepared(&copies.statement(from, to))
                .await?;
            from = to;
        }
    }
    tidy(&database).await?;
    Ok(database.close().await?)
}

async fn tidy(database: &DatabaseConnection) -> Result<(), BenchError> {
    let statement = if database.get_database_backend() == DatabaseBackend::Sqlite {
        "PRAGMA wal_checkpoint(TRUNCATE)"
    } else {
        "VACUUM ANALYZE"
    };
    database.execute_unprepared(statement).await?;
    Ok(())
}

/// A statement that copies a row many times.
#[derive(Clone)]
struct Copy {
    table: &'static str,
    columns: Vec<(String, String)>,
    condition: &'static str,
    backend: DatabaseBackend,
}

impl Copy {
    /// Copies all columns but those for which `replaced` knows something else: `{n}` is the number of
    /// the copy, `{n12}` the same in twelve digits.
    async fn of(
        database: &DatabaseConnection,
        table: &'static str,
        replaced: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, BenchError> {
        let backend = database.get_database_backend();
        let query = if backend == DatabaseBackend::Sqlite {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text AS name FROM information_schema.columns \
                 WHERE table_name = '{table}' AND table_schema = 'public'"
            )
        };
        let rows = database
            .query_all_raw(Statement::from_string(backend, query))
            .await?;
        let mut columns = Vec::new();
        for row in rows {
            let name: String = row.try_get("", "name")?;
            let value = replaced(&name).map_or_else(|| format!("t.\"{name}\""), str::to_owned);
            columns.push((format!("\"{name}\""), value));
        }
        Ok(Self {
            table,
            columns,
            condition: "true",
            backend,
        })
    }

    /// Which row is copied.
    fn only(self, condition: &'static str) -> Self {
        Self { condition, ..self }
    }

    /// Copies with these numbers.
    fn statement(&self, from: usize, to: usize) -> String {
        let Self {
            table, condition, ..
        } = self;
        let pad = |number: &str| {
            if self.backend == DatabaseBackend::Sqlite {
                format!("printf('%012d', {number})")
            } else {
                format!("lpad(({number})::text, 12, '0')")
            }
        };
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|(_, value)| value.replace("{n12}", &pad("s.n")).replace("{n}", "s.n"))
            .collect();
        let (names, values) = (names.join(", "), values.join(", "));
        format!(
            "INSERT INTO {table} ({names}) \
             WITH RECURSIVE s(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {to}) \
             SELECT {values} FROM s, (SELECT * FROM {table} WHERE {condition} LIMIT 1) AS t"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn copies_keep_what_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("a.db").display());
        let database = Database::connect(&url).await.unwrap();
        for statement in [
            "CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT UNIQUE, email TEXT, status TEXT)",
            "CREATE TABLE password_credentials (user_id TEXT PRIMARY KEY, hash TEXT)",
            "INSERT INTO users VALUES ('x', 'user-0', 'user-0@example.com', 'active')",
            "INSERT INTO password_credentials VALUES ('x', 'the hash')",
        ] {
            database.execute_unprepared(statement).await.unwrap();
        }
        users(&url, 5).await.unwrap();
        let query = "SELECT username || status || hash AS joined FROM users \
                     JOIN password_credentials ON user_id = id WHERE username = 'user-4'";
        let row = database
            .query_one_raw(Statement::from_string(DatabaseBackend::Sqlite, query))
            .await
            .unwrap()
            .unwrap();
        let joined: String = row.try_get("", "joined").unwrap();
        assert_eq!(joined, "user-4activethe hash");
    }
}
