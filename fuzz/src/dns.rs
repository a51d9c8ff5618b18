//! What the targets of DNS check: any bytes as an answer, and as the files of a system.

use trenza_dns::{
    ALIASES_MAX, Config, Hosts, Likeness, Message, Name, Question, RecordType, ResolvConf, SEARCH_MAX,
    SERVERS_MAX, Verdict,
};

/// What is asked for, in a spelling that the corpus knows.
fn asked() -> (Name, RecordType, Question) {
    let mut name = Name::from_ascii("www.example.org").expect("a name");
    name.set_fqdn(true);
    let question = Question::new(&name, RecordType::A, true, |bytes| bytes.fill(0)).expect("a short name");
    (name, RecordType::A, question)
}

/// An answer of any bytes: no panic; what it gives is of the name and type that were asked for.
pub(crate) fn dns_answer(data: &[u8]) {
    let (name, record_type, question) = asked();
    let likeness = question.likeness(data);
    let Ok(message) = Message::from_vec(data) else { return };
    if likeness == Likeness::Same {
        let [of] = &message.queries[..] else { panic!("an answer to one question has one") };
        assert!(of.name.eq_case(&name) && of.query_type == record_type);
    }
    match Verdict::of(&message, &name, record_type) {
        Verdict::Found(answer) => {
            assert!(!answer.records.is_empty() && answer.aliases.len() <= ALIASES_MAX);
            assert!(answer.records.iter().all(|record| record.name == answer.name));
            assert!(answer.records.iter().all(|record| record.record_type() == record_type));
            assert!(answer.aliases.first().unwrap_or(&answer.name) == &name);
        }
        Verdict::Alias { aliases, .. } => {
            assert!(aliases.first() == Some(&name) && aliases.len() <= ALIASES_MAX)
        }
        _ => {}
    }
}

/// Files of any bytes: no panic, limits are kept.
pub(crate) fn dns_files(data: &[u8]) {
    let conf = ResolvConf::parse(data);
    assert!(conf.servers.len() <= SERVERS_MAX && conf.search.len() <= SEARCH_MAX);
    assert!(
        (1..=5).contains(&conf.attempts) && (1..=30).contains(&conf.timeout.as_secs()) && conf.ndots <= 15
    );
    assert!(!Config::from(conf).servers.is_empty());
    let hosts = Hosts::parse(data);
    for word in String::from_utf8_lossy(data).split_ascii_whitespace() {
        for ip in hosts.addresses(word) {
            assert!(hosts.name(*ip).is_some());
        }
    }
}
