//! What the target of MIME checks; a test of `trenza-mail` replays its corpus with it.

use std::{ops::Range, time::UNIX_EPOCH};
use trenza_mail::mime::{Draft, Message, MimeLimits, Part, Stamp};

/// Limits that short messages reach.
const LIMITS: MimeLimits = MimeLimits { depth: 4, parts: 12, header: 200 };

/// Any bytes are a message, whose parts lie within each other and not across each other, and what is attached to one comes
/// out again.
pub(crate) fn mime(data: &[u8]) {
    let message = Message::parse(data, &LIMITS);
    let parts: Vec<Part<'_>> = message.parts().collect();
    assert!((1..=LIMITS.parts).contains(&parts.len()));
    for (number, part) in parts.iter().enumerate() {
        assert!(part.depth() < LIMITS.depth);
        let (header, body) = (within(data, part.raw_header()), within(data, part.raw_body()));
        assert!(header.end <= body.start, "{header:?} {body:?}");
        match part.parent() {
            None => assert_eq!((number, part.depth(), body.end), (0, 0, data.len())),
            Some(parent) => {
                let outer = within(data, parent.raw_body());
                assert_eq!(part.depth(), parent.depth() + 1);
                assert!(
                    outer.start <= header.start && body.end <= outer.end,
                    "{header:?} {body:?} in {outer:?}"
                );
            }
        }
        let mut end = 0;
        for child in part.children() {
            let header = within(data, child.raw_header());
            assert!(end <= header.start, "{end} {header:?}");
            end = within(data, child.raw_body()).end;
        }
        look_at(part);
    }
    let attached: Vec<_> = message.attachments().map(|part| part.depth()).collect();
    assert!(attached.len() <= parts.len());
    _ = (message.text(), message.html());
    there_and_back(data);
}

/// Where a piece of the data lies in it.
fn within(data: &[u8], piece: &[u8]) -> Range<usize> {
    let (start, at) = (data.as_ptr().addr(), piece.as_ptr().addr());
    // Nothing may be anywhere.
    let at = if piece.is_empty() && !(start..=start + data.len()).contains(&at) { 0 } else { at - start };
    assert!(at + piece.len() <= data.len());
    at..at + piece.len()
}

/// Everything that can be asked of a part.
fn look_at(part: &Part<'_>) {
    // No encoding makes less of more, but a bare LF among others becomes one of them in quoted-printable.
    assert!(part.bytes().len() <= 2 * part.raw_body().len());
    let names = ["Subject", "from", "Content-Type", "Content-Disposition", "X"];
    for name in names {
        let (text, addresses) = (part.header(name), part.addresses(name));
        assert!(text.is_some() || addresses.is_empty());
    }
    assert!(!(part.is_message() && part.is_multipart()));
    assert!(part.is_message() || part.is_multipart() || part.children().count() == 0);
    _ = (part.text(), part.file_name(), part.parameter("charset"), part.content_type(), format!("{part:?}"));
}

/// A draft with the data as a file, and as text as far as it is some.
fn there_and_back(data: &[u8]) {
    let text = String::from_utf8_lossy(data).replace(|c: char| c.is_control(), " ");
    let stamp = Stamp { date: UNIX_EPOCH, unique: [7; 16], host: "example.org".into() };
    let draft = Draft::new().subject(&text).text(&text).attachment("file", "application/octet-stream", data);
    let bytes = draft.build(&stamp).expect("there is no control character in it");
    let message = Message::parse(&bytes, &MimeLimits::default());
    assert!(bytes.is_ascii() && !message.is_cut());
    let attached: Vec<_> = message.attachments().map(|part| part.bytes().into_owned()).collect();
    assert!(attached == [data], "{} became {attached:?}", data.escape_ascii());
    assert_eq!(message.text().as_deref(), Some(&*text));
}
