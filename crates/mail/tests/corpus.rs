//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/src/mime.rs"]
mod mime;
#[path = "../../../fuzz/src/pop3.rs"]
mod pop3;
#[path = "../../../fuzz/src/queue.rs"]
mod queue;
#[path = "../../../fuzz/src/smtp.rs"]
mod smtp;
#[path = "../../../fuzz/src/smtp_client.rs"]
mod smtp_client;

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 25, 64, b"\0 \n\r.-0<\"\xff", check);
}

#[test]
fn commands() {
    replay("smtp_commands", smtp::smtp_commands);
}

#[test]
fn replies() {
    replay("smtp_replies", smtp::smtp_replies);
}

#[test]
fn sessions_of_a_client() {
    corpus::replay("smtp_client", 12, 12, b"\0 2\n5-", smtp_client::smtp_client);
}

#[test]
fn data() {
    replay("smtp_data", smtp::smtp_data);
}

#[test]
fn pop3_commands() {
    replay("pop3_commands", pop3::pop3_commands);
}

#[test]
fn pop3_replies() {
    replay("pop3_replies", pop3::pop3_replies);
}

#[test]
fn pop3_text() {
    replay("pop3_text", pop3::pop3_text);
}

#[test]
fn records_of_the_queue() {
    replay("queue_record", queue::queue_record);
}

#[test]
fn mime_parts() {
    replay("mime", mime::mime);
}
