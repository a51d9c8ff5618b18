//! The field Authentication-Results (RFC 8601): what was found out, for those who read the message.

use super::{Dkim, Dmarc, Spf, dmarc::organisation};

/// How long a line of it may be; a word that is longer stands alone.
const LINE: usize = 78;

/// The field, with the CRLF at its end. `host` is whose word it is: the name of this server.
pub(super) fn write(host: &str, spf: &Spf, sender: &str, dkim: &[Dkim], dmarc: &Dmarc) -> String {
    let mut field = Field { text: format!("Authentication-Results: {}", quoted(host)), column: 0 };
    field.column = field.text.len();
    field.method(format!("spf={}", spf.result), spf.problem.as_deref());
    let property = if spf.is_helo { "helo" } else { "mailfrom" };
    field.property(&format!("smtp.{property}"), if spf.is_helo { &spf.domain } else { sender });
    if dkim.is_empty() {
        field.method("dkim=none".into(), None);
    }
    for signature in dkim {
        field.method(format!("dkim={}", signature.result), signature.problem.as_deref());
        field.property("header.d", &signature.domain);
        if !signature.domain.is_empty() {
            field.property("header.i", &signature.identity);
            field.property("header.s", &signature.selector);
            field.property("header.a", signature.algorithm);
            field.property("header.b", &signature.tail);
        }
    }
    field.method(format!("dmarc={}", dmarc.result), dmarc.problem.as_deref());
    if let Some(policy) = dmarc.policy {
        field.word(&format!("(p={policy} dis={})", dmarc.disposition));
    }
    field.property("header.from", &dmarc.domain);
    field.text + "\r\n"
}

struct Field {
    text: String,
    column: usize,
}

impl Field {
    fn method(&mut self, result: String, problem: Option<&str>) {
        self.text.push_str(";\r\n\t");
        self.text.push_str(&result);
        self.column = result.len() + 8;
        if let Some(problem) = problem {
            self.property("reason", problem);
        }
    }

    fn property(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.word(&format!("{name}={}", quoted(value)));
        }
    }

    fn word(&mut self, word: &str) {
        if self.column + 1 + word.len() > LINE {
            self.text.push_str("\r\n\t");
            self.column = 8;
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        self.text.push_str(word);
        self.column += word.len();
    }
}

/// How much of a word of others is repeated.
const WORD_MAX: usize = 320;

/// A word as it is, or quoted where it would be read as more than that. Nothing of it can end a line.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~@/".contains(&byte);
    if !word.is_empty() && word.len() <= WORD_MAX && word.bytes().all(is_plain) {
        return word.into();
    }
    let mut text = String::from("\"");
    for char in word.chars().take(WORD_MAX) {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            char if char.is_control() => text.push('?'),
            char => text.push(char),
        }
    }
    text + "\""
}

/// Whether a field's value, which came with a message, claims to be the word of this host: then it is a lie.
pub(super) fn claims(value: &[u8], host: &str) -> bool {
    let text = String::from_utf8_lossy(value);
    let mut id = String::new();
    let (mut comments, mut quoted) = (0usize, false);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' if quoted || comments > 0 => {
                id.extend(chars.next().filter(|_| quoted));
            }
            '"' if comments == 0 => quoted = !quoted,
            char if quoted => id.push(char),
            '(' => comments += 1,
            ')' => comments = comments.saturating_sub(1),
            _ if comments > 0 => {}
            ';' => break,
            char if char.is_ascii_whitespace() => {
                if !id.is_empty() {
                    break;
                }
            }
            char => id.push(char),
        }
    }
    // Names within ours are taken for ours by readers that look at the end.
    id.eq_ignore_ascii_case(host) || organisation(&id.to_ascii_lowercase()) == host.to_ascii_lowercase()
}
