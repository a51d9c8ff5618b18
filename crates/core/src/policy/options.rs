//! The options of endpoint strings that make a policy.

use crate::{Choice, Given, Policy, Rate, Result};
use std::{num::NonZeroUsize, rc::Rc};

pub(crate) const CONNECTIONS: Choice =
    Choice { name: "connections", value: "NUMBER", about: "how many there may be; more wait" };
pub(crate) const PER_ADDRESS: Choice =
    Choice { name: "per-address", value: "NUMBER", about: "how many from one address; more are reset" };
pub(crate) const RATE_IN: Choice =
    Choice { name: "rate-in", value: "BYTES", about: "how many a second each connection receives" };
pub(crate) const RATE_OUT: Choice =
    Choice { name: "rate-out", value: "BYTES", about: "how many a second each connection sends" };
pub(crate) const IDLE: Choice =
    Choice { name: "idle", value: "SECONDS", about: "how long a connection may be silent" };
pub(crate) const DEADLINE: Choice =
    Choice { name: "deadline", value: "SECONDS", about: "how long a connection may last" };
pub(crate) const LOG: Choice =
    Choice { name: "log", value: "yes", about: "tells of each connection at its end" };

impl Policy {
    /// What these options say of it, if any was given.
    pub(crate) fn given(given: &Given<'_>) -> Result<Option<Rc<Self>>> {
        let mut policy = None;
        let mut add =
            |change: &dyn Fn(Self) -> Self| policy = Some(change(policy.take().unwrap_or_default()));
        let number = |choice: Choice| {
            given.option(choice.name).map(|value| value.parse::<NonZeroUsize>("a number above 0")).transpose()
        };
        if let Some(max) = number(CONNECTIONS)? {
            add(&|policy| policy.connections(max.get()));
        }
        if let Some(max) = number(PER_ADDRESS)? {
            add(&|policy| policy.per_address(max.get()));
        }
        let rate = |choice: Choice| {
            let value = given.option(choice.name);
            value
                .map(|value| value.parse::<std::num::NonZeroU64>("a number of bytes, at least 1"))
                .transpose()
        };
        if let Some(bytes) = rate(RATE_IN)? {
            add(&|policy| policy.rate_in(Rate::new(bytes.get())));
        }
        if let Some(bytes) = rate(RATE_OUT)? {
            add(&|policy| policy.rate_out(Rate::new(bytes.get())));
        }
        let seconds = |choice: Choice| given.option(choice.name).map(|value| value.seconds()).transpose();
        if let Some(time) = seconds(IDLE)? {
            add(&|policy| policy.idle(time));
        }
        if let Some(time) = seconds(DEADLINE)? {
            add(&|policy| policy.deadline(time));
        }
        if given.option(LOG.name).map(|value| value.flag()).transpose()? == Some(true) {
            add(&Self::log);
        }
        Ok(policy.map(Rc::new))
    }
}
