//! The modules of all plans.

mod claims;
mod codes;
mod discovery;
mod flows;
mod logout;
mod prompts;
mod registration;
mod requests;

pub(crate) use self::{
    claims::*, codes::*, discovery::*, flows::*, logout::*, prompts::*, registration::*,
    requests::*,
};
