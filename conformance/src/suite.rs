//! The suite's REST interface: plans, modules, logs.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Response};
use serde_json::Value;

/// Between two looks at a module's state.
const PAUSE: Duration = Duration::from_millis(500);
/// Looks at one module until it is given up: eight minutes.
const PATIENCE: usize = 960;

/// The suite is out of reach, or says something unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuiteError {
    /// No answer.
    #[error("the suite does not answer")]
    Transport(#[from] reqwest::Error),
    /// An answer that is no success.
    #[error("the suite answered {0}: {1}")]
    Status(u16, String),
    /// An answer without what we need.
    #[error("the suite's answer lacks {0}")]
    Incomplete(&'static str),
}

/// A running suite.
pub(crate) struct Suite {
    base: String,
    http: Client,
}

/// A plan that was created.
pub(crate) struct Plan {
    /// Its identifier.
    pub(crate) id: String,
    /// Its modules in order.
    pub(crate) modules: Vec<Module>,
}

/// A module of a plan.
pub(crate) struct Module {
    /// Its name.
    pub(crate) name: String,
    variant: Value,
}

/// What came of a module.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// PASSED, WARNING, REVIEW, SKIPPED, FAILED, or INTERRUPTED and TIMEOUT where it never ended.
    pub(crate) result: String,
    /// The conditions that failed or warned.
    pub(crate) conditions: Vec<String>,
}

impl Suite {
    /// A suite at this address. Its certificate is its own business: it is on this machine.
    pub(crate) fn new(base: &str) -> Result<Self, SuiteError> {
        let http = Client::builder()
            .danger_accept_invalid_certs(true)
            .timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
        })
    }

    /// Creates a plan.
    pub(crate) async fn create_plan(
        &self,
        name: &str,
        variants: &BTreeMap<String, String>,
        config: &Value,
    ) -> Result<Plan, SuiteError> {
        let variant = serde_json::json!(variants).to_string();
        let query = [("planName", name), ("variant", &variant)];
        let request = self
            .http
            .post(format!("{}/api/plan", self.base))
            .query(&query)
            .json(config);
        let plan = json(request.send().await?).await?;
        let modules = plan
            .get("modules")
            .and_then(Value::as_array)
            .ok_or(SuiteError::Incomplete("modules"))?;
        let modules = modules.iter().map(|module| {
            let name = text(module, "testModule").ok_or(SuiteError::Incomplete("testModule"))?;
            Ok(Module {
                name,
                variant: module.get("variant").cloned().unwrap_or_default(),
            })
        });
        let id = text(&plan, "id").ok_or(SuiteError::Incomplete("id"))?;
        Ok(Plan {
            id,
            modules: modules.collect::<Result<_, SuiteError>>()?,
        })
    }

    /// Runs a module to its end.
    pub(crate) async fn run_module(
        &self,
        plan: &str,
        module: &Module,
    ) -> Result<Outcome, SuiteError> {
        let variant = module.variant.to_string();
        let mut query = vec![("plan", plan), ("test", module.name.as_str())];
        if module.variant.is_object() {
            query.push(("variant", &variant));
        }
        let request = self
            .http
            .post(format!("{}/api/runner", self.base))
            .query(&query);
        let id =
            text(&json(request.send().await?).await?, "id").ok_or(SuiteError::Incomplete("id"))?;
        let result = self.wait(&id).await?;
        let conditions = if result == "PASSED" {
            Vec::new()
        } else {
            self.conditions(&id).await?
        };
        Ok(Outcome { result, conditions })
    }

    async fn wait(&self, id: &str) -> Result<String, SuiteError> {
        for _ in 0..PATIENCE {
            let info = json(
                self.http
                    .get(format!("{}/api/info/{id}", self.base))
                    .send()
                    .await?,
            )
            .await?;
            match text(&info, "status").as_deref() {
                Some("FINISHED") => {
                    return Ok(text(&info, "result").unwrap_or_else(|| "UNKNOWN".into()));
                }
                Some("INTERRUPTED") => return Ok("INTERRUPTED".into()),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        self.http
            .delete(format!("{}/api/runner/{id}", self.base))
            .send()
            .await?;
        Ok("TIMEOUT".into())
    }

    /// The log's lines that are neither success nor information.
    async fn conditions(&self, id: &str) -> Result<Vec<String>, SuiteError> {
        let log = json(
            self.http
                .get(format!("{}/api/log/{id}", self.base))
                .send()
                .await?,
        )
        .await?;
        let lines = log.as_array().map(Vec::as_slice).unwrap_or_default();
        let bad = lines.iter().filter(|line| {
            matches!(
                text(line, "result").as_deref(),
                Some("FAILURE" | "WARNING" | "REVIEW" | "INTERRUPTED")
            )
        });
        Ok(bad
            .map(|line| {
                let part = |name| text(line, name).unwrap_or_default();
                format!("{} {}: {}", part("result"), part("src"), part("msg"))
            })
            .collect())
    }
}

async fn json(response: Response) -> Result<Value, SuiteError> {
    let status = response.status();
    if !status.is_success() {
        return Err(SuiteError::Status(status.as_u16(), response.text().await?));
    }
    Ok(response.json().await?)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}
