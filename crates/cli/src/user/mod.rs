//! `trenza user`: the accounts that all services share.

mod list;
pub(crate) mod password;
pub(crate) mod typed;

use crate::{complaint::Complaint, terminal::say};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use trenza::{
    Result,
    auth::{
        Account, FileError, Rights, Secret, Size, check_name,
        users::{Stored, UsersEditor},
    },
};

const EXAMPLES: &str = "\
Examples:
  trenza user add ann
      Asks for a password twice; users.toml is made if it is not there
  echo \"$PASSWORD\" | trenza user add ann@example.org --file mail.toml \\
      --password-stdin
      For scripts: the first line is the password
  trenza user add guest --rights rl --root public --quota 2G
      May look around in a folder of its own
  trenza user list
      Who there is
  trenza user passwd ann
  trenza user remove ann guest

One file serves every service: --users users.toml. A service that runs sees a change within a second. \
It may be edited by hand, too:
  [user.ann]
  password = \"$argon2id$...\"   what stands there makes `trenza user passwd`
  scram = { ... }              the same for SCRAM-SHA-256
  root = \"ann\"                 below the service's folder; without it that folder itself
  rights = \"rwadl\"             without it all
  quota = \"2G\"                 without it none";

const RIGHTS: &str = "\
Rights:
  r  read files and messages          l  list folders
  w  replace and change what exists   m  make folders
  a  add files, append to them        t  set times and modes
  d  delete; renaming takes d and a   s  send mail to others
  -  none of them

Exit codes: 0 done, 1 refused (the account exists, the file cannot be written), 2 wrong usage.";

/// Adds, changes and lists the accounts that services share.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adds an account
    #[command(after_help = RIGHTS)]
    Add(Add),
    /// Gives an account another password
    Passwd(Passwd),
    /// Lists the accounts
    List(list::Args),
    /// Removes accounts; their files stay
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Who: a name, or an address like ann@example.org
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    password: password::Args,
    /// Its folder; a relative one lies in the service's [default: the service's]
    #[arg(long, value_name = "DIR", value_parser = root)]
    root: Option<String>,
    /// What it may do, in letters [default: everything]
    #[arg(long, value_name = "LETTERS")]
    rights: Option<Rights>,
    /// How much it may store, like 500M or 2G [default: what there is room for]
    #[arg(long, value_name = "SIZE")]
    quota: Option<Size>,
}

#[derive(Debug, clap::Args)]
struct Passwd {
    /// Whose
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    password: password::Args,
}

#[derive(Debug, clap::Args)]
struct Remove {
    /// Who
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    of: Of,
}

/// Which file.
#[derive(Debug, clap::Args)]
struct Of {
    /// The file with the accounts
    #[arg(short, long, value_name = "FILE", default_value = "users.toml")]
    file: PathBuf,
}

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Result {
    match &args.what {
        What::Add(add) => self::add(add),
        What::Passwd(passwd) => self::passwd(passwd),
        What::List(list) => list::list(list),
        What::Remove(remove) => self::remove(remove),
    }
}

fn add(asked: &Add) -> Result {
    let (name, path) = (&asked.name, &asked.of.file);
    // Before anybody types a password for nothing. The file is not kept locked in the meantime.
    if open(path, &random()?)?.contains(name) {
        return Err(Complaint::account_exists(name, path).into());
    }
    let stored = stored(&password::new(&asked.password, name)?)?;
    let mut account = Account::new(name);
    account.root = asked.root.as_ref().map(PathBuf::from);
    account.rights = asked.rights.unwrap_or_default();
    account.quota = asked.quota.map(|quota| quota.0);
    let mut users = open(path, &random()?)?;
    let made = if users.exists() { "" } else { ", a new file" };
    if !users.add(&account, &stored)? {
        return Err(Complaint::account_exists(name, path).into());
    }
    save(users)?;
    say(&format!("{name:?} is in {}{made}", path.display()));
    Ok(())
}

fn passwd(asked: &Passwd) -> Result {
    let (name, path) = (&asked.name, &asked.of.file);
    if !there(path)?.contains(name) {
        return Err(Complaint::no_account(name, path).into());
    }
    let stored = stored(&password::new(&asked.password, name)?)?;
    let mut users = there(path)?;
    if !users.set_password(name, &stored) {
        return Err(Complaint::no_account(name, path).into());
    }
    save(users)?;
    say(&format!("{name:?} has another password now"));
    Ok(())
}

fn remove(asked: &Remove) -> Result {
    let path = &asked.of.file;
    let mut users = there(path)?;
    // All of them or none.
    for name in &asked.names {
        if !users.remove(name) {
            return Err(Complaint::no_account(name, path).into());
        }
    }
    save(users)?;
    asked.names.iter().for_each(|name| say(&format!("{name:?} is gone from {}", path.display())));
    Ok(())
}

fn open(path: &Path, random: &[u8; 32]) -> Result<UsersEditor, Complaint> {
    UsersEditor::open(path, random).map_err(|error| Complaint::accounts(&error, "--file"))
}

/// Like `open`, for a file that is there.
fn there(path: &Path) -> Result<UsersEditor, Complaint> {
    let users = open(path, &[0; 32])?;
    match users.exists() {
        true => Ok(users),
        false => {
            let error = std::io::ErrorKind::NotFound.into();
            Err(Complaint::accounts(&FileError::Io { path: path.to_owned(), error }, "--file"))
        }
    }
}

fn save(users: UsersEditor) -> Result<(), Complaint> {
    users.save().map_err(|error| Complaint::accounts(&error, "--file"))
}

fn stored(password: &Secret) -> Result<Stored> {
    Ok(Stored::of(password, &random()?))
}

fn random() -> Result<[u8; 32]> {
    trenza::block_on(async |reactor| {
        let mut random = [0; 32];
        reactor.random(&mut random);
        Ok(random)
    })
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.0.to_owned())
}

fn root(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_control) {
        true => Err("it is empty or has a control character".to_owned()),
        false => Ok(text.to_owned()),
    }
}
