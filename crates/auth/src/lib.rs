//! Who somebody is, and whether that is true: accounts that serve every suite.
//!
//! ```text
//!   protocol ── Credentials ──▶ Portal ── Throttle: who has failed waits
//!                                 ├────── Checker: Memory, AccountsFile (users.toml, htpasswd), Anonymous, Chain
//!                                 ├────── Realm: what the protocol makes of the Account, its avatar
//!      avatar, or Denied ◀────────┴────── one line for the log
//! ```
//!
//! A protocol gives a [`Portal`] what the client has shown, and gets an avatar or [`Denied`]. Passwords are hashed on the
//! thread pool, so many at a time ([`Hashing`]); a name that nobody has takes as long as a wrong password. An account can
//! log in by [`Mechanism`]s: its checker says which, and [`scram`] has SCRAM-SHA-256, both sides.

mod account;
mod anonymous;
mod apr1;
mod chain;
mod checker;
mod credentials;
mod denied;
mod file;
mod hashing;
mod htpasswd;
mod mechanism;
mod memory;
mod portal;
mod realm;
mod recent;
mod record;
mod rights;
pub mod scram;
mod secret;
mod size;
mod text;
pub mod throttle;
pub mod users;
mod verifier;

pub use account::{Account, NAME_MAX, NameError, check_name};
pub use anonymous::Anonymous;
pub use chain::Chain;
pub use checker::{Checker, at_once};
pub use credentials::Credentials;
pub use denied::Denied;
pub use file::{AccountsFile, FILE_MAX, FileError};
pub use hashing::{HASHINGS_MAX, Hashing, ORDERLY_MAX, REMEMBERED, WAIT_MAX, WAITING_MAX};
pub use mechanism::{Mechanism, Mechanisms};
pub use memory::Memory;
pub use portal::Portal;
pub use realm::{Accounts, Realm};
pub use record::Record;
pub use rights::{Rights, RightsError};
pub use secret::Secret;
pub use size::{Size, SizeError};
pub use text::TextError;
pub use throttle::{Network, Throttle};
pub use verifier::{
    ARGON2_KIB_MAX, ARGON2_PASSES_MAX, BCRYPT_COST_MAX, PASSWORD_MAX, Verifier, VerifierError,
};
