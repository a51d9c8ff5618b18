//! [`Features`]: what a server says that it can do (RFC 2389 section 3).

use super::Reply;
use crate::listing::FactSet;

/// The most features that are kept of a reply.
const FEATURES_MAX: usize = 256;

/// The features in a reply to FEAT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features(Vec<(String, String)>);

impl Features {
    /// Reads a reply to FEAT. A server that does not know the command has none.
    pub fn of(reply: &Reply) -> Self {
        if !reply.code().is_completion() {
            return Self::default();
        }
        let lines = reply.middle().take(FEATURES_MAX).filter_map(|line| {
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            let (name, parameters) = line.split_once(' ').unwrap_or((line, ""));
            (!name.is_empty()).then(|| (name.to_ascii_uppercase(), parameters.trim().to_owned()))
        });
        Self(lines.collect())
    }

    /// Whether there is a feature of this name, which is in upper case.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// What stands behind the names of those features that have this name: some servers have a line for each parameter.
    pub fn parameters<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.0.iter().filter(move |(own, _)| *own == name).map(|(_, parameters)| parameters.as_str())
    }

    /// Whether a feature has a parameter, in whatever case.
    pub fn has_parameter(&self, name: &str, parameter: &str) -> bool {
        let apart = |c: char| c == ' ' || c == ';' || c == ',';
        self.parameters(name).flat_map(|all| all.split(apart)).any(|one| one.eq_ignore_ascii_case(parameter))
    }

    /// Whether the server lists facts: MLST and MLSD (RFC 3659 section 7.8).
    pub fn has_mlst(&self) -> bool {
        self.has("MLST")
    }

    /// Those facts that the server shows now (with a star), and those that it can show.
    pub fn facts(&self) -> (FactSet, FactSet) {
        let text: String = self.parameters("MLST").collect();
        let shown = text.split(';').filter_map(|fact| fact.strip_suffix('*'));
        let shown: Vec<&str> = shown.collect();
        (FactSet::parse(shown.join(";").as_bytes()), FactSet::parse(text.replace('*', "").as_bytes()))
    }

    /// Whether transfers can begin within a file: `REST STREAM`.
    pub fn has_restart(&self) -> bool {
        self.has_parameter("REST", "STREAM")
    }

    /// Whether AUTH TLS is offered.
    pub fn has_tls(&self) -> bool {
        self.has_parameter("AUTH", "TLS") || self.has_parameter("AUTH", "TLS-C")
    }

    /// All, in the order of the reply: name and parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, parameters)| (name.as_str(), parameters.as_str()))
    }
}
