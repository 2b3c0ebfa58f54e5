//! The suite's REST interface: plans, modules, logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    /// Its name, and its response type where the plan has it more than once.
    pub(crate) label: String,
    variant: Value,
}

/// How far a module is.
pub(crate) enum Progress {
    /// It ended with this result.
    Ended(String),
    /// It waits for us to do something and to start it.
    Configured,
}

/// What came of a module.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// PASSED, WARNING, REVIEW, SKIPPED, FAILED, or INTERRUPTED and TIMEOUT where it never ended.
    pub(crate) result: String,
    /// The conditions that failed, warned or want a review.
    pub(crate) conditions: Vec<Condition>,
}

/// A line of a module's log that is neither success nor information.
#[derive(Debug)]
pub(crate) struct Condition {
    /// WARNING, FAILURE …
    pub(crate) result: String,
    /// The condition's name.
    pub(crate) source: String,
    /// What it says.
    pub(crate) message: String,
}

impl Outcome {
    /// The names of the conditions that failed or warned, each once, sorted.
    pub(crate) fn troubled(&self) -> BTreeSet<&str> {
        let bad = |condition: &&Condition| condition.result != "REVIEW";
        let names = self.conditions.iter().filter(bad);
        names.map(|condition| condition.source.as_str()).collect()
    }
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

    /// What its redirect URIs begin with where a plan has this alias.
    pub(crate) fn callback_base(&self, alias: &str) -> String {
        format!("{}/test/a/{alias}", self.base)
    }

    /// Its version with the revision it was built from.
    pub(crate) async fn version(&self) -> Result<String, SuiteError> {
        let server = self.get("server").await?;
        let version = text(&server, "version").ok_or(SuiteError::Incomplete("version"))?;
        let revision = text(&server, "revision").ok_or(SuiteError::Incomplete("revision"))?;
        Ok(format!("{version} ({revision})"))
    }

    /// Creates a plan.
    pub(crate) async fn create_plan(
        &self,
        name: &str,
        variants: &BTreeMap<&str, &str>,
        config: &Value,
    ) -> Result<Plan, SuiteError> {
        let variant = serde_json::json!(variants).to_string();
        let query = [("planName", name), ("variant", &variant)];
        let request = self.http.post(self.url("plan")).query(&query).json(config);
        let plan = json(request.send().await?).await?;
        let modules = plan
            .get("modules")
            .and_then(Value::as_array)
            .ok_or(SuiteError::Incomplete("modules"))?;
        let modules = modules.iter().map(|module| {
            let name = text(module, "testModule").ok_or(SuiteError::Incomplete("testModule"))?;
            Ok(Module {
                label: name.clone(),
                name,
                variant: module.get("variant").cloned().unwrap_or_default(),
            })
        });
        let id = text(&plan, "id").ok_or(SuiteError::Incomplete("id"))?;
        let mut modules: Vec<Module> = modules.collect::<Result<_, SuiteError>>()?;
        label(&mut modules);
        Ok(Plan { id, modules })
    }

    /// Creates a module of a plan, which most begin with by themselves: its identifier.
    pub(crate) async fn create(&self, plan: &str, module: &Module) -> Result<String, SuiteError> {
        let variant = module.variant.to_string();
        let mut query = vec![("plan", plan), ("test", module.name.as_str())];
        if module.variant.is_object() {
            query.push(("variant", &variant));
        }
        let request = self.http.post(self.url("runner")).query(&query);
        text(&json(request.send().await?).await?, "id").ok_or(SuiteError::Incomplete("id"))
    }

    /// Starts a module that waited to be.
    pub(crate) async fn start(&self, id: &str) -> Result<(), SuiteError> {
        let request = self.http.post(self.url(&format!("runner/{id}")));
        json(request.send().await?).await.map(drop)
    }

    /// Waits until a module has ended, or until it is configured where `waits_for_us` says so.
    pub(crate) async fn wait(
        &self,
        id: &str,
        waits_for_us: impl Fn() -> bool,
    ) -> Result<Progress, SuiteError> {
        for _ in 0..PATIENCE {
            let info = self.get(&format!("info/{id}")).await?;
            match text(&info, "status").as_deref() {
                Some("FINISHED") => {
                    let result = text(&info, "result").unwrap_or_else(|| "UNKNOWN".into());
                    return Ok(Progress::Ended(result));
                }
                Some("INTERRUPTED") => return Ok(Progress::Ended("INTERRUPTED".into())),
                Some("CONFIGURED") if waits_for_us() => return Ok(Progress::Configured),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        let request = self.http.delete(self.url(&format!("runner/{id}")));
        request.send().await?;
        Ok(Progress::Ended("TIMEOUT".into()))
    }

    /// What a module that ended has to say.
    pub(crate) async fn outcome(&self, id: &str, result: String) -> Result<Outcome, SuiteError> {
        let conditions = if result == "PASSED" {
            Vec::new()
        } else {
            self.conditions(id).await?
        };
        Ok(Outcome { result, conditions })
    }

    async fn conditions(&self, id: &str) -> Result<Vec<Condition>, SuiteError> {
        let log = self.get(&format!("log/{id}")).await?;
        let lines = log.as_array().map(Vec::as_slice).unwrap_or_default();
        let part = |line: &Value, name| text(line, name).unwrap_or_default();
        let conditions = lines.iter().map(|line| Condition {
            result: part(line, "result"),
            source: part(line, "src"),
            message: part(line, "msg"),
        });
        let is_bad = |condition: &Condition| {
            matches!(
                condition.result.as_str(),
                "FAILURE" | "WARNING" | "REVIEW" | "INTERRUPTED"
            )
        };
        Ok(conditions.filter(is_bad).collect())
    }

    async fn get(&self, path: &str) -> Result<Value, SuiteError> {
        json(self.http.get(self.url(path)).send().await?).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/{path}", self.base)
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

/// Tells modules of one name apart.
fn label(modules: &mut [Module]) {
    let mut counts = BTreeMap::new();
    for module in &*modules {
        *counts.entry(module.name.clone()).or_insert(0_usize) += 1;
    }
    for module in modules {
        if counts.get(&module.name).is_some_and(|count| *count > 1)
            && let Some(response_type) = text(&module.variant, "response_type")
        {
            module.label = format!("{} ({response_type})", module.name);
        }
    }
}
