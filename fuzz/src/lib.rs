//! What the fuzz targets check, as plain functions: each takes any bytes, and panics when a promise of a codec is broken.
//! Tests of the crates replay the corpora with them.
//!
//! `cargo +nightly fuzz run h1_request` (or another of the targets) runs one until it finds something. What it
//! finds goes into `corpus/`, under a name that says what it is.

/// The files of this folder, and the targets in each.
macro_rules! targets {
    ($($file:ident: $($target:ident),+;)+) => {
        $(
            mod $file;
            $(
                /// The target of this name.
                pub fn $target(data: &[u8]) {
                    $file::$target(data);
                }
            )+
        )+
    };
}

targets! {
    accounts: accounts;
    dns: dns_answer, dns_files;
    framing: framing;
    ftp: ftp_commands, ftp_listing, ftp_replies;
    ftp_session: ftp_session;
    h1: chunked, h1_request, h1_split_anywhere;
    mail_checks: mail_checks;
    mime: mime;
    pop3: pop3_commands, pop3_replies, pop3_text;
    proxies: proxies;
    proxy_header: proxy_header;
    queue: queue_record;
    smtp: smtp_commands, smtp_data, smtp_replies;
    smtp_client: smtp_client;
    tls: tls;
}
