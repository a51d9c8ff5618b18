//! What the target of the mail queue's records checks; a test of `trenza-mail` replays its corpus with it.

use trenza_mail::queue::{Record, State};

/// A text that is a record is written again as it was; what is torn off one is none.
pub(crate) fn queue_record(data: &[u8]) {
    let Ok(record) = Record::parse(data) else { return };
    assert_eq!(record.to_text().as_bytes(), data, "read and written");
    let done = record.recipients.iter().all(|one| one.state == State::Done);
    assert_eq!(record.is_over(), done);
    for end in [0, data.len() / 2, data.len() - 1] {
        assert!(Record::parse(data.get(..end).unwrap_or_default()).is_err(), "the first {end} bytes");
    }
    for one in &record.recipients {
        if let Some(said) = &one.said {
            assert!(!said.reply.text().contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
