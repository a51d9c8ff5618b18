//! What the target `accounts` checks; a test of `trenza-auth` replays its corpus with it.

use trenza_auth::{
    Mechanism, Record, TextError, Verifier, check_name,
    scram::{NONCE_LEN, ScramKeys, ScramServer},
};

/// The first byte says what the others are: `h` a file of htpasswd, `t` a `users.toml`, `s` messages of a SCRAM client, a
/// line each.
pub(crate) fn accounts(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match (kind, std::str::from_utf8(data)) {
        (b'h', Ok(text)) => htpasswd(text),
        (b't', Ok(text)) => toml(text),
        (b's', _) => scram(data),
        _ => (),
    }
}

fn htpasswd(text: &str) {
    let records = Record::all_of_htpasswd(text);
    let lines = text.lines().filter(|line| !line.trim_end().is_empty() && !line.starts_with('#'));
    if let Some(records) = accounts_are_right(text, records) {
        assert_eq!(records.len(), lines.clone().count(), "an account a line");
    }
    // What a hash is stays the same when it is written and read again.
    for hash in lines.filter_map(|line| line.trim_end().split_once(':')).map(|(_, hash)| hash) {
        if let Ok(verifier) = Verifier::parse(hash) {
            let text = verifier.text().expect("it was read from text");
            assert_eq!(Verifier::parse(&text), Ok(verifier));
        }
    }
}

fn toml(text: &str) {
    accounts_are_right(text, Record::all_of_toml(text));
}

fn accounts_are_right(text: &str, records: Result<Vec<Record>, TextError>) -> Option<Vec<Record>> {
    let records = match records {
        Ok(records) => records,
        Err(error) => {
            assert!((1..=text.lines().count() + 1).contains(&error.line), "{error}");
            assert!(!error.what.is_empty());
            return None;
        }
    };
    let mut names: Vec<&str> = records.iter().map(|record| &*record.account().name).collect();
    assert!(names.iter().all(|name| check_name(name).is_ok()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), records.len(), "no name comes twice");
    for record in &records {
        let can = record.mechanisms();
        assert!(!can.contains(Mechanism::ScramSha256) || can.contains(Mechanism::Password));
    }
    Some(records)
}

fn scram(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (first, last) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(mut server) = ScramServer::begin(first) else { return };
    assert!(!server.name().is_empty());
    let keys = ScramKeys::new(*b"salt", 1, [1; 32], [2; 32]).expect("they are fit");
    let challenge = server.challenge(keys, &[0; NONCE_LEN]);
    let nonce = challenge.split(',').next().expect("it begins with the nonce");
    if let Ok((credentials, farewell)) = server.finish(last) {
        let last = std::str::from_utf8(last).expect("it was text");
        assert!(last.contains(nonce), "only with our nonce");
        assert!(farewell.starts_with("v=") && credentials.name().is_some());
        assert!(last.split(",p=").next().is_some_and(|bare| bare.starts_with("c=")));
    }
}
