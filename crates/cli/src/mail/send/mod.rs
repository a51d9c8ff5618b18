//! `trenza mail send`: a sendmail for scripts.

mod body;
mod message;
mod server;
mod trouble;

use crate::{complaint::Complaint, drive::drive, terminal::say};
use message::Message;
use std::io;
use trenza::{
    Reactor, Result,
    mail::smtp::{
        Mail, Mailbox, Rcpt,
        client::{Client, ClientError, Source},
    },
};

const EXAMPLES: &str = "\
Examples:
  echo 'the disk is full' | trenza mail send --from root@example.org ann@example.org
  trenza mail send -t --server tcp:mail.example.org:587 --starttls \\
      --user bob < message.txt
  trenza mail send --server tls:mail.example.org:465 --user bob \\
      --password-file secret --to ann@example.org < message.txt
  trenza mail send --lmtp --server unix:/run/lmtp.sock --from '' ann < message.txt

The message has a header, a blank line and a body; its lines may end as they like, and a line with a dot alone \
ends nothing. Date, Message-ID and From are added where they are missing.

The password comes from --password-file or from MAIL_PASSWORD in the environment; /dev/fd/3 as a file is what \
the shell has opened as 3.

Exit codes, as sendmail has them:
  0   everybody has it
  2   wrong usage
  64  there is no recipient or sender, or an address is none
  65  the message is too large, or an address in it is none
  67  a recipient does not exist
  68  a recipient's domain does not exist
  69  the server has refused the message, or a recipient, for good
  75  the server was not reached, or has refused it for now, or there is no room for the message: try again
  76  the server does not speak SMTP
  77  the login was refused, or the server's certificate is not trusted
  130, 143  ended by Control-C or SIGTERM
Where some have it and others do not, standard error says who, and the code is of those who do not.";

/// Sends a message from standard input.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::mail) struct Args {
    /// Who gets it
    #[arg(value_name = "ADDRESS")]
    recipients: Vec<String>,

    /// Who gets it, too; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,

    /// Who sends it, and hears of it when it cannot be delivered; '' is nobody. Default: who the header says it is from
    #[arg(short, long, value_name = "ADDRESS", allow_hyphen_values = false)]
    from: Option<String>,

    /// Whom To, Cc and Bcc of the header name gets it, too; Bcc is taken out
    #[arg(short = 't', long)]
    read_recipients: bool,

    /// A line with a dot alone does not end the message. It never does; sendmail has this option
    #[arg(short = 'i')]
    _ignore_dots: bool,

    #[command(flatten)]
    server: server::Server,
}

pub(in crate::mail) fn run(args: &Args) -> Result {
    let mut message = Message::read(&mut io::stdin().lock())?;
    let recipients = recipients(args, &mut message)?;
    let sender = sender(args, &message)?;
    let (endpoint, options) = args.server.of()?;
    drive(async move || {
        let reactor = Reactor::current();
        message.complete(&reactor, sender.as_ref());
        let text = message.into_text();
        let mut mail = Mail::new(sender);
        mail.utf8 = text.header_is_utf8();
        mail.body = text.body();
        let mut client = Client::connect(&endpoint, options).await.map_err(|error| trouble::of(&error))?;
        let fates = client.send(&mail, &recipients, text).await;
        // What was answered is answered, however the server takes the goodbye.
        let _ = client.quit().await;
        let failed: Vec<(&Rcpt, ClientError)> =
            recipients.iter().zip(fates).filter_map(|(rcpt, fate)| Some((rcpt, fate.err()?))).collect();
        if failed.len() < recipients.len() || failed.len() > 1 {
            failed.iter().for_each(|(rcpt, error)| say(&format!("{}: {error}", rcpt.to)));
        }
        trouble::of_recipients(&failed, recipients.len())
    })
}

/// Who gets it, each once.
fn recipients(args: &Args, message: &mut Message) -> Result<Vec<Rcpt>> {
    let mut all: Vec<Mailbox> = Vec::new();
    for text in args.recipients.iter().chain(&args.to) {
        all.push(Mailbox::parse(text).ok_or_else(|| trouble::no_address(text).code(64))?);
    }
    if args.read_recipients {
        for field in ["To", "Cc", "Bcc"] {
            for value in message.values(field) {
                all.extend(Mailbox::list(&value).map_err(|part| trouble::no_address(&part).code(65))?);
            }
        }
        message.remove("Bcc");
    }
    let mut once: Vec<Mailbox> = Vec::new();
    for mailbox in all {
        if !once.contains(&mailbox) {
            once.push(mailbox);
        }
    }
    if once.is_empty() {
        return Err(Complaint::new("nobody is to get the message")
            .code(64)
            .remedy("--to ADDRESS names a recipient; -t takes those that the header names")
            .into());
    }
    Ok(once.into_iter().map(Rcpt::new).collect())
}

/// Who sends it; None: nobody.
fn sender(args: &Args, message: &Message) -> Result<Option<Mailbox>> {
    if let Some(text) = &args.from {
        if matches!(&**text, "" | "<>") {
            return Ok(None);
        }
        let mailbox = Mailbox::parse(text).ok_or_else(|| trouble::no_address(text).code(64))?;
        return Ok(Some(mailbox));
    }
    // Of several that it is from, Sender names the one who has sent it (RFC 5322 section 3.6.2).
    for field in ["Sender", "From"] {
        if let Some(value) = message.values(field).next() {
            let found = Mailbox::list(&value).map_err(|part| trouble::no_address(&part).code(65))?;
            if let Some(first) = found.into_iter().next() {
                return Ok(Some(first));
            }
        }
    }
    Err(Complaint::new("nobody is said to send the message")
        .code(64)
        .remedy("--from ADDRESS names the sender; without it the header's From does")
        .into())
}
