//! The server: sessions as plain structs, each with the Maildir of whoever has logged in.
//!
//! ```text
//!   Pop3Server ── on(find) ──▶ Pop3Factory ──▶ a session a connection
//!                                               │ USER PASS AUTH: an account
//!                              find: Maildir ◀──┤
//!                      Locks: nobody else's  ◀──┤
//!                              Maildir: list ◀──┘ ──▶ maildrop: numbers, marks ──▶ QUIT: Maildir: remove
//! ```

mod ahead;
mod config;
mod factory;
mod limits;
mod locks;
mod login;
mod maildrop;
mod message;
mod sending;
mod session;

pub use config::Pop3Server;
pub use factory::Pop3Factory;
pub use limits::Pop3Limits;
