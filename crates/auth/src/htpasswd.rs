//! Files as Apache's `htpasswd` writes them.

use crate::{Account, Record, TextError, Verifier, check_name, record::Records, scram::hash};

/// Reads the text of such a file.
pub(crate) fn parse(text: &str) -> Result<Records, TextError> {
    let mut records = Records::new(hash(text.as_bytes()));
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| TextError::new(number, what);
        let (name, hash) =
            line.split_once(':').ok_or_else(|| wrong("there is no colon between name and hash"))?;
        check_name(name).map_err(|error| wrong(&error.to_string()))?;
        let verifier = Verifier::parse(hash).map_err(|error| wrong(error.0))?;
        if !records.add(Record::new(Account::new(name)).password(verifier)) {
            return Err(wrong("this name stands on a line before"));
        }
    }
    Ok(records)
}
