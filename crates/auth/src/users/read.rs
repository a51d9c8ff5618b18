//! Reads `users.toml`.

use crate::{
    Account, Record, Rights, Size, TextError, Verifier, check_name,
    record::Records,
    scram::{self, ScramKeys},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{ops::Range, path::PathBuf};
use toml_edit::{Document, InlineTable, Item, Table, TableLike, Value};

/// The keys of an account.
const KEYS: [&str; 9] =
    ["password", "scram", "root", "rights", "quota", "groups", "public_keys", "certificates", "tokens"];

/// The accounts of such a text.
pub(crate) fn parse(text: &str) -> Result<Records, TextError> {
    let source = Source(text);
    let document = Document::parse(text).map_err(|error| {
        let what = error.message().lines().next().unwrap_or("this is no TOML").to_owned();
        source.wrong(error.span(), what)
    })?;
    let root = document.as_table();
    for (key, item) in root.iter() {
        if !matches!(key, "seed" | "user") {
            return Err(source.wrong(
                key_span(root, key).or_else(|| item.span()),
                format!("{key:?} is not known here: accounts are [user.NAME]"),
            ));
        }
    }
    let seed = match root.get("seed") {
        None => scram::hash(text.as_bytes()),
        Some(item) => source.key_bytes(item, "seed")?,
    };
    let mut records = Records::new(seed);
    let Some(users) = root.get("user") else { return Ok(records) };
    let users = users.as_table_like().ok_or_else(|| source.at(users, "accounts are [user.NAME]"))?;
    for (name, item) in users.iter() {
        let here = || item.span().or_else(|| users.key(name).and_then(toml_edit::Key::span));
        let record = source.record(name, item, here())?;
        if !records.add(record) {
            return Err(
                source.wrong(here(), format!("a certificate or token of {name:?} is another account's"))
            );
        }
    }
    Ok(records)
}

fn key_span(table: &Table, key: &str) -> Option<Range<usize>> {
    table.key(key).and_then(toml_edit::Key::span)
}

/// A text and where it stands.
type Text<'a> = (&'a str, Option<Range<usize>>);

/// The text that spans point into.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl Source<'_> {
    fn wrong(self, span: Option<Range<usize>>, what: impl Into<String>) -> TextError {
        let before = span.map_or(0, |span| span.start).min(self.0.len());
        let line = 1 + self.0.bytes().take(before).filter(|byte| *byte == b'\n').count();
        TextError::new(line, what)
    }

    fn at(self, item: &Item, what: impl Into<String>) -> TextError {
        self.wrong(item.span(), what)
    }

    fn record(self, name: &str, item: &Item, here: Option<Range<usize>>) -> Result<Record, TextError> {
        check_name(name).map_err(|error| self.wrong(here.clone(), format!("{name:?}: {error}")))?;
        let table = item.as_table_like().ok_or_else(|| self.wrong(here, "an account is [user.NAME]"))?;
        for (key, item) in table.iter() {
            if !KEYS.contains(&key) && key != "attributes" {
                let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
                let what = format!("{key:?} is not known here: there are {}, attributes", KEYS.join(", "));
                return Err(self.wrong(span, what));
            }
        }
        let mut record = Record::new(self.account(name, table)?);
        if let Some(item) = table.get("password") {
            let verifier = Verifier::parse(self.text(item, "password")?);
            record = record.password(verifier.map_err(|error| self.at(item, error.0))?);
        }
        if let Some(item) = table.get("scram") {
            record = record.scram(self.scram(item)?);
        }
        for (text, span) in self.texts(table, "public_keys")? {
            let key = text.split_whitespace().nth(1).and_then(|key| BASE64_STANDARD.decode(key).ok());
            let what = "a public key is as in a .pub file: ssh-ed25519 AAAA...";
            record = record.public_key(key.ok_or_else(|| self.wrong(span, what))?);
        }
        for (text, span) in self.texts(table, "certificates")? {
            record = record.certificate(hex(text).ok_or_else(|| self.wrong(span, NO_HASH))?);
        }
        for (text, span) in self.texts(table, "tokens")? {
            record = record.token(hex(text).ok_or_else(|| self.wrong(span, NO_HASH))?);
        }
        Ok(record)
    }

    fn account(self, name: &str, table: &dyn TableLike) -> Result<Account, TextError> {
        let mut account = Account::new(name);
        if let Some(item) = table.get("root") {
            account.root = Some(PathBuf::from(self.text(item, "root")?));
        }
        if let Some(item) = table.get("rights") {
            let rights = self.text(item, "rights")?.parse::<Rights>();
            account.rights = rights.map_err(|error| self.at(item, error.to_string()))?;
        }
        if let Some(item) = table.get("quota") {
            account.quota = Some(self.quota(item)?);
        }
        account.groups = self.texts(table, "groups")?.into_iter().map(|(text, _)| text.to_owned()).collect();
        if let Some(item) = table.get("attributes") {
            let what = "attributes are texts by name: { phone = \"12\" }";
            let attributes = item.as_table_like().ok_or_else(|| self.at(item, what))?;
            for (key, item) in attributes.iter() {
                let text = item.as_str().ok_or_else(|| self.at(item, what))?;
                account.attributes.insert(key.to_owned(), text.to_owned());
            }
        }
        Ok(account)
    }

    fn quota(self, item: &Item) -> Result<u64, TextError> {
        let bytes = match item.as_integer() {
            Some(bytes) => u64::try_from(bytes).ok(),
            None => item.as_str().and_then(|text| text.parse::<Size>().ok()).map(|size| size.0),
        };
        bytes.ok_or_else(|| self.at(item, "quota is a size like \"500M\" or \"2G\" (K, M, G, T)"))
    }

    fn scram(self, item: &Item) -> Result<ScramKeys, TextError> {
        let what = "scram has salt, iterations, stored_key and server_key";
        let table = item.as_table_like().ok_or_else(|| self.at(item, what))?;
        let part = |key| table.get(key).ok_or_else(|| self.at(item, what));
        let salt = BASE64_STANDARD.decode(self.text(part("salt")?, "salt")?);
        let salt = salt.map_err(|_| self.at(item, "salt is no base64"))?;
        let iterations = part("iterations")?.as_integer().and_then(|number| u32::try_from(number).ok());
        let stored_key = self.key_bytes(part("stored_key")?, "stored_key")?;
        let server_key = self.key_bytes(part("server_key")?, "server_key")?;
        let keys = ScramKeys::new(salt, iterations.unwrap_or(0), stored_key, server_key);
        keys.ok_or_else(|| self.at(item, "scram has a salt of 1 to 64 bytes and 1 to 5000000 iterations"))
    }

    fn text<'a>(self, item: &'a Item, key: &str) -> Result<&'a str, TextError> {
        item.as_str().ok_or_else(|| self.at(item, format!("{key} is a text: {key} = \"...\"")))
    }

    /// 32 bytes of base64.
    fn key_bytes(self, item: &Item, key: &str) -> Result<[u8; 32], TextError> {
        let bytes = BASE64_STANDARD.decode(self.text(item, key)?).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| self.at(item, format!("{key} is no 32 bytes of base64")))
    }

    /// The texts of a list; none where there is no list.
    fn texts<'a>(self, table: &'a dyn TableLike, key: &str) -> Result<Vec<Text<'a>>, TextError> {
        let Some(item) = table.get(key) else { return Ok(Vec::new()) };
        let what = || format!("{key} is a list of texts: {key} = [\"...\"]");
        let list = item.as_array().ok_or_else(|| self.at(item, what()))?;
        let text = |value: &'a Value| {
            let text = value.as_str().ok_or_else(|| self.wrong(value.span(), what()))?;
            Ok((text, value.span()))
        };
        list.iter().map(text).collect()
    }
}

const NO_HASH: &str = "this is no SHA-256 in 64 digits of hexadecimal";

/// 32 bytes in hexadecimal; colons between them do not matter.
fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

/// Keys of SCRAM as they are written.
pub(super) fn written(keys: &ScramKeys) -> InlineTable {
    let mut table = InlineTable::new();
    let base64 = |bytes: &[u8]| Value::from(BASE64_STANDARD.encode(bytes));
    table.insert("salt", base64(keys.salt()));
    table.insert("iterations", i64::from(keys.iterations()).into());
    table.insert("stored_key", base64(keys.stored_key()));
    table.insert("server_key", base64(keys.server_key()));
    table
}
