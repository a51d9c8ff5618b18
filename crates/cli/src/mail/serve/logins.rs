//! [`Logins`]: who this server is to other servers, by the file of `--logins`.

use crate::{complaint::Complaint, user::password::first_line};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
};
use toml_edit::{Document, Item, Table};
use trenza::{Result, auth::Secret, mail::smtp::client::ClientOptions};

/// No such file is larger, in bytes.
const FILE_MAX: u64 = 1024 * 1024;
const KEYS: [&str; 5] = ["server", "user", "password", "password-file", "allow-plain-auth"];
const REMEDY: &str = "a login is written [[login]], and below it server = \"smtp.example.net\", user = \"ann\", and \
                      password = \"...\" or password-file = \"FILE\", whose first line it is";

/// Who this server is to others.
#[derive(Default)]
pub(super) struct Logins(Vec<Login>);

pub(super) struct Login {
    /// `HOST`, `HOST:PORT`, or an endpoint.
    server: String,
    user: String,
    password: Arc<Secret>,
    pub(super) allow_plain_auth: bool,
}

impl Logins {
    /// Reads a file, which blocks. What it says wrongly is told without its line, in which the password may be.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = read(path).map_err(|error| Complaint::file(path, &error.to_string()).remedy(REMEDY))?;
        let wrong = |span: Option<std::ops::Range<usize>>, what: &str| {
            let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            Complaint::new(format!("{}:{line}: {what}", path.display())).remedy(REMEDY)
        };
        let document =
            Document::parse(text.as_str()).map_err(|error| wrong(error.span(), "this is no TOML"))?;
        if let Some((key, item)) = document.as_table().iter().find(|(key, _)| *key != "login") {
            return Err(wrong(item.span(), &format!("{key:?} is not known here")).into());
        }
        let Some(item) = document.as_table().get("login") else { return Ok(Self::default()) };
        let tables = item.as_array_of_tables().ok_or_else(|| wrong(item.span(), "logins are [[login]]"))?;
        let logins = tables.iter().map(|table| {
            Ok(login(table, path)
                .map_err(|(item, what)| wrong(item.and_then(Item::span).or_else(|| table.span()), &what))?)
        });
        logins.collect::<Result<_>>().map(Self)
    }

    /// The login at the server of an endpoint.
    pub(super) fn of(&self, endpoint: &str, target: Option<(&str, &str)>) -> Option<&Login> {
        self.0.iter().find(|login| login.is_for(endpoint, target))
    }

    /// The servers of logins that are none of these.
    pub(super) fn without(&self, used: &[&Login]) -> impl Iterator<Item = &str> {
        let unused = self.0.iter().filter(|login| !used.iter().any(|other| std::ptr::eq(*login, *other)));
        unused.map(|login| &*login.server)
    }
}

impl Login {
    fn is_for(&self, endpoint: &str, target: Option<(&str, &str)>) -> bool {
        let own = self.server.as_str();
        let is_of = |(host, port): (&str, &str)| {
            let port = port.parse::<u16>().unwrap_or_default();
            let ending = own.rsplit_once(':').filter(|(_, own)| own.parse() == Ok(port));
            own.eq_ignore_ascii_case(host)
                || ending.is_some_and(|(own, _)| own.trim_matches(['[', ']']).eq_ignore_ascii_case(host))
        };
        own == endpoint || target.is_some_and(is_of)
    }

    pub(super) fn apply(&self, options: ClientOptions) -> ClientOptions {
        options.login(&self.user, self.password.bytes()).allow_plain_auth(self.allow_plain_auth)
    }
}

/// The text of a file that only some may read. It may be a pipe, as of `--logins <(pass show mail)`.
fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & 0o007 != 0 {
        return Err(io::Error::other(
            "everybody on this machine can read the passwords in it, until `chmod 600`",
        ));
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX { Err(io::Error::other("it is too large")) } else { Ok(text) }
}

/// A login, or which of its items is wrong; None: it lacks one.
fn login<'a>(table: &'a Table, path: &Path) -> Result<Login, (Option<&'a Item>, String)> {
    if let Some((key, item)) = table.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err((Some(item), format!("{key:?} is not known here")));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(item) => {
            item.as_str().map(Some).ok_or_else(|| (Some(item), format!("{key} is a text in quotes")))
        }
    };
    let needed = |key: &str| text(key)?.ok_or_else(|| (None, format!("the login has no {key}")));
    let password = match (text("password")?, text("password-file")?) {
        (Some(password), None) => Secret::new(password),
        (None, Some(file)) => {
            // Beside the file that names it.
            let place = path.parent().unwrap_or_else(|| Path::new("")).join(file);
            let read = File::open(&place).and_then(|file| first_line(BufReader::new(file)));
            read.map_err(|error| {
                (table.get("password-file"), format!("{} cannot be read: {error}", place.display()))
            })?
        }
        _ => return Err((None, "the login has either password or password-file".into())),
    };
    let allow_plain_auth = match table.get("allow-plain-auth") {
        None => false,
        Some(item) => {
            item.as_bool().ok_or_else(|| (Some(item), "allow-plain-auth is true or false".to_owned()))?
        }
    };
    let (server, user) = (needed("server")?.to_owned(), needed("user")?.to_owned());
    Ok(Login { server, user, password: Arc::new(password), allow_plain_auth })
}
