//! [`Given`]: what somebody wrote behind the name of a kind.

use crate::{
    Choice, Endpoint, Error, Form, Parsed, Result,
    endpoint::{error::meant, parsed::Part},
};
use std::{fmt, net::IpAddr, ops::Range, str::FromStr, time::Duration};

/// What somebody wrote behind the name of a kind, compared with its [`Form`].
#[derive(Debug)]
pub struct Given<'a> {
    parsed: &'a Parsed,
    form: &'a Form,
    /// The options of the kind that this one hands on to.
    handed_on: &'static [Choice],
    values: &'a [Part],
    options: &'a [Part],
    inner: Option<Parsed>,
}

/// A value, or that of an option, and its place in the string.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    parsed: &'a Parsed,
    part: &'a Part,
}

impl<'a> Given<'a> {
    /// Compares what was written with a form, and with that of the kind below it.
    pub(crate) fn new(parsed: &'a Parsed, form: &'a Form, below: Option<Form>) -> Result<Self> {
        let parts = parsed.parts.get(1..).unwrap_or_default();
        let (least, most) = form.count();
        let ahead = parts.iter().take_while(|part| part.key.is_none()).count();
        let taken = if form.inner { ahead.min(most) } else { ahead };
        let (values, rest) = parts.split_at(taken);
        let written = rest.iter().take_while(|part| part.key.is_some()).count();
        let (options, rest) = rest.split_at(written);
        let handed_on = below.map_or(&[][..], |below| below.options);
        let mut given = Self { parsed, form, handed_on, values, options, inner: None };
        // `systemd:` says as little as `systemd`.
        if least == 0
            && let [only] = values
            && only.text.is_empty()
        {
            given.values = &[];
        }
        given.check_options()?;
        given.check_values(least, most, rest)?;
        if form.inner {
            if rest.is_empty() {
                return Err(
                    parsed.error(parsed.end(), format!("an endpoint is missing here: {}", given.shape()))
                );
            }
            given.inner = Some(parsed.tail(1 + values.len() + options.len()));
        }
        Ok(given)
    }

    fn check_values(&self, least: usize, most: usize, rest: &[Part]) -> Result {
        if let (Some(first), Some(last), false) = (rest.first(), rest.last(), self.form.inner) {
            // Of an address without brackets all is shown, though it has come apart.
            let torn = self.options.last().filter(|option| option.text.is_empty());
            let at = torn.map_or(first.at.start, |option| option.at.end)..last.at.end;
            let what = format!(
                "{:?} stands behind the options; a colon within a value is written \\: or the value stands in brackets",
                self.parsed.hide(at.clone())
            );
            return Err(self.parsed.error(at, what));
        }
        if let Some(part) = self.values.get(most) {
            let torn = self.values.iter().any(|part| part.text.is_empty());
            let torn = if torn { "; an address with colons stands in brackets, as in [::1]" } else { "" };
            let other = self.form.examples.get(1).map(|other| format!(" or {other}")).unwrap_or_default();
            let what = format!("{:?} is one value too many: {}{other}{torn}", part.text, self.shape());
            return Err(self.parsed.error(part.at.clone(), what));
        }
        if self.values.len() < least {
            let missing = self.form.values.get(self.values.len()).copied().unwrap_or_default();
            let at = self.values.last().map_or_else(|| self.parsed.kind_at(), |part| part.at.clone()).end;
            return Err(self.parsed.error(at..at, format!("{missing} is missing: {}", self.shape())));
        }
        Ok(())
    }

    fn check_options(&self) -> Result {
        let known = || self.form.options.iter().chain(self.handed_on).map(|option| option.name);
        for (n, part) in self.options.iter().enumerate() {
            let Some((name, value)) = &part.key else { continue };
            let at = part.at.start..value.saturating_sub(1);
            if !known().any(|known| known == name) {
                let guess = meant(name, known()).map(|known| format!(" (did you mean {known}?)"));
                let all = known().collect::<Vec<_>>().join(", ");
                let all = if all.is_empty() { "there are none here".into() } else { format!("known: {all}") };
                let what = format!("unknown option {name:?}{}; {all}", guess.unwrap_or_default());
                return Err(self.parsed.error(at, what));
            }
            let same = |other: &Part| other.key.as_ref().is_some_and(|(other, _)| other == name);
            if self.options.iter().take(n).any(same) {
                return Err(self.parsed.error(at, format!("{name}= stands there twice")));
            }
        }
        Ok(())
    }

    fn shape(&self) -> String {
        let example = self.form.examples.first().map(|example| format!(", as in {example}"));
        format!("{}{}", self.form.of(self.parsed.kind()), example.unwrap_or_default())
    }

    /// A value. Those that the form needs are there.
    ///
    /// # Errors
    /// It was left out.
    pub fn value(&self, n: usize) -> Result<Value<'a>> {
        let missing =
            || self.parsed.error(self.parsed.end(), format!("a value is missing: {}", self.shape()));
        self.values.get(n).map(|part| self.at(part)).ok_or_else(missing)
    }

    /// All values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Value<'a>> + '_ {
        self.values.iter().map(|part| self.at(part))
    }

    /// The value of an option, if it was given.
    pub fn option(&self, name: &str) -> Option<Value<'a>> {
        let named = |part: &&Part| part.key.as_ref().is_some_and(|(key, _)| key == name);
        self.options.iter().find(named).map(|part| self.at(part))
    }

    /// The endpoint that this prefix stands before.
    ///
    /// # Errors
    /// The form of the kind is no prefix.
    pub fn inner(&self) -> Result<Endpoint> {
        let inner = self.inner.clone().ok_or_else(|| self.wrong("stands before no endpoint"))?;
        Ok(Endpoint::of(inner))
    }

    /// The same place read as the kind [`Form::below`]: with all values, and with the options that are not this kind's own.
    /// What is wrong with them is pointed at where it stands.
    ///
    /// # Errors
    /// The form of the kind hands nothing on.
    pub fn below(&self) -> Result<Endpoint> {
        let kind = self.form.below.ok_or_else(|| self.wrong("hands nothing on"))?;
        let foreign = |part: &&Part| {
            let name = part.key.as_ref().map(|(name, _)| name);
            !self.form.options.iter().any(|option| name.is_some_and(|name| name == option.name))
        };
        let options = self.options.iter().filter(foreign);
        Ok(Endpoint::of(self.parsed.read_as(kind, self.values.iter().chain(options).cloned())))
    }

    /// The string, from this kind on, with passwords hidden.
    pub fn shown(&self) -> String {
        self.parsed.shown()
    }

    /// An error about the kind as a whole; `what` goes on behind its name.
    pub fn wrong(&self, what: &str) -> Error {
        self.parsed.error(self.parsed.kind_at(), format!("{} {what}", self.parsed.kind()))
    }

    fn at(&self, part: &'a Part) -> Value<'a> {
        Value { parsed: self.parsed, part }
    }
}

impl<'a> Value<'a> {
    /// What it says, without brackets and escapes.
    pub fn as_str(&self) -> &'a str {
        &self.part.text
    }

    fn range(&self) -> Range<usize> {
        match &self.part.key {
            Some((_, value)) if *value < self.part.at.end => *value..self.part.at.end,
            _ => self.part.at.clone(),
        }
    }

    /// An error that points at it; `what` goes on behind it: `is not a port`.
    pub fn wrong(&self, what: &str) -> Error {
        self.parsed.error(self.range(), format!("{:?} {what}", self.as_str()))
    }

    /// An error that points at it, though it is well written: what it names cannot be used. `why` says so in words, `cause`
    /// to programs ([`EndpointError::cause`](crate::EndpointError::cause)).
    pub fn unusable(&self, why: &str, cause: impl Into<Error>) -> Error {
        let what = format!("{:?} cannot be used: {why}", self.as_str());
        self.parsed.caused(self.range(), what, cause.into())
    }

    /// Reads it as a number or the like.
    ///
    /// # Errors
    /// It cannot be read; `what` says what it is to be: `a number`.
    pub fn parse<T: FromStr>(&self, what: &str) -> Result<T> {
        self.as_str().parse().map_err(|_| self.is_not(what))
    }

    /// A port.
    ///
    /// # Errors
    /// It is none.
    pub fn port(&self) -> Result<u16> {
        self.parse("a port: ports are 0 to 65535")
    }

    /// An IP address.
    ///
    /// # Errors
    /// It is none.
    pub fn ip(&self) -> Result<IpAddr> {
        self.parse("an IP address; one with colons stands in brackets, as in [::1]")
    }

    /// Seconds, with a fraction if need be.
    ///
    /// # Errors
    /// It is no such number.
    pub fn seconds(&self) -> Result<Duration> {
        let seconds: f64 = self.parse("a number of seconds")?;
        Duration::try_from_secs_f64(seconds).map_err(|_| self.is_not("a number of seconds"))
    }

    /// `yes` or `no`.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&self) -> Result<bool> {
        match self.as_str() {
            "yes" | "true" | "1" => Ok(true),
            "no" | "false" | "0" => Ok(false),
            _ => Err(self.is_not("yes or no")),
        }
    }

    fn is_not(&self, what: &str) -> Error {
        let option = self.part.key.as_ref().map(|(key, _)| format!("{key}= takes {what}"));
        match option {
            Some(what) => self.parsed.error(self.range(), what),
            None => self.wrong(&format!("is not {what}")),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
