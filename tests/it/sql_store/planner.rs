//! How a database would run a statement, and whether that touches more rows than it must.

use std::collections::BTreeMap;

use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection,
};

use crate::support::sql::TestDatabase;

/// Rows in each table before PostgreSQL is asked for its plans.
const ROWS: u32 = 2_000;

/// A database to ask for plans.
pub(super) enum Planner {
    Sqlite(SqliteConnection),
    Postgres {
        connection: PgConnection,
        /// The first column of each index.
        leading: BTreeMap<String, String>,
    },
}

impl Planner {
    /// Asks the migrated `database`. PostgreSQL plans by the size of tables, so they are filled.
    pub(super) async fn connect(database: &TestDatabase) -> Self {
        if database.is_sqlite() {
            return Self::Sqlite(SqliteConnection::connect(database.url()).await.unwrap());
        }
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        fill(&mut connection).await;
        for setting in [
            "enable_seqscan = off",
            "plan_cache_mode = force_generic_plan",
        ] {
            execute(&mut connection, format!("SET {setting}")).await;
        }
        let leading = leading_columns(&mut connection).await;
        Self::Postgres {
            connection,
            leading,
        }
    }

    /// The plan of a statement with placeholders, for whatever values.
    pub(super) async fn plan(&mut self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let rows = sqlx::query(explain).fetch_all(connection).await;
                rows.unwrap().iter().map(|row| row.get("detail")).collect()
            }
            Self::Postgres { connection, .. } => {
                let numbers = (1..).take_while(|number| sql.contains(&format!("${number}")));
                let nulls = vec!["NULL"; numbers.count()].join(", ");
                let values = if nulls.is_empty() {
                    nulls
                } else {
                    format!("({nulls})")
                };
                execute(connection, format!("PREPARE statement AS {sql}")).await;
                let explain = format!("EXPLAIN (COSTS OFF) EXECUTE statement{values}");
                let plan = texts(connection, explain).await;
                execute(connection, "DEALLOCATE statement".to_owned()).await;
                plan
            }
        }
    }

    /// Whether the plan finds its rows by indexes. To list everything in order (no WHERE) an index
    /// may be walked as a whole. Nothing is sorted to return a part of it (LIMIT).
    pub(super) fn uses_indexes(&self, sql: &str, plan: &[String]) -> bool {
        let lists_everything = !sql.contains("WHERE");
        let returns_a_part = sql.contains("LIMIT");
        match self {
            Self::Sqlite(_) => plan.iter().all(|step| {
                let scans = step.starts_with("SCAN") && !step.ends_with("VALUES CLAUSE");
                let excused = lists_everything && step.contains(" USING ");
                let sorts = returns_a_part && step.contains("TEMP B-TREE FOR ORDER BY");
                !(scans && !excused || sorts || step.contains("AUTOMATIC"))
            }),
            Self::Postgres { leading, .. } => plan.iter().enumerate().all(|(number, step)| {
                let condition = plan.get(number + 1).map_or("", |next| next.trim());
                let unbounded = index_of(step).is_some_and(|index| {
                    !(condition.starts_with("Index Cond") && names(condition, &leading[index]))
                });
                let sorts = returns_a_part && step.contains("Sort Key");
                !(step.contains("Seq Scan") || (unbounded && !lists_everything) || sorts)
            }),
        }
    }
}

/// The index that a step of PostgreSQL's plan reads.
fn index_of(step: &str) -> Option<&str> {
    let (_, rest) = step
        .split_once("Index Scan using ")
        .or_else(|| step.split_once("Index Only Scan using "))
        .or_else(|| step.split_once("Bitmap Index Scan on "))?;
    rest.split(' ').next()
}

/// Whether `condition` is about `column`: `((column = $1) AND (other = $2))`.
fn names(condition: &str, column: &str) -> bool {
    condition.contains(&format!("({column} "))
}

/// Puts rows into every table, those first that others refer to. All texts of a row are the same, so
/// that every reference finds its row. Counts them for the planner.
async fn fill(connection: &mut PgConnection) {
    let inserts = format!(
        "SELECT format('INSERT INTO %1$I SELECT %2$s FROM generate_series(1, {ROWS}) n ON CONFLICT DO NOTHING; ANALYZE %1$I', relname,
           string_agg(CASE format_type(atttypid, NULL)
             WHEN 'text' THEN $$'v' || n$$ WHEN 'bigint' THEN 'n'
             WHEN 'boolean' THEN 'false' WHEN 'bytea' THEN $$''::bytea$$ END, ', ' ORDER BY attnum))
         FROM pg_class tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
           AND relname <> 'seaql_migrations'
         GROUP BY tables.oid, relname ORDER BY tables.oid"
    );
    let inserts = texts(connection, inserts).await;
    assert!(inserts.len() > 10, "{inserts:#?}");
    for insert in inserts {
        execute(connection, insert).await;
    }
}

async fn leading_columns(connection: &mut PgConnection) -> BTreeMap<String, String> {
    let query = "SELECT relname || ' ' || pg_get_indexdef(oid, 1, true) FROM pg_class
        WHERE relkind = 'i' AND relnamespace = current_schema()::regnamespace";
    let lines = texts(connection, query.to_owned()).await;
    lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(index, column)| (index.to_owned(), column.to_owned()))
        .collect()
}

async fn execute(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

/// The first column of each row.
async fn texts(connection: &mut PgConnection, sql: String) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection);
    let rows = rows.await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
