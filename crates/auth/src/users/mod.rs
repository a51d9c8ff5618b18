//! The file `users.toml`, which `trenza user` writes and every suite reads.
//!
//! ```toml
//! # What decoys for unknown names are made of; made with the file.
//! seed = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
//!
//! [user.ann]
//! password = "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH"
//! scram = { salt = "BASE64", iterations = 65536, stored_key = "BASE64", server_key = "BASE64" }
//!
//! [user."bob@example.org"]
//! password = "..."
//! root = "bob"                # its folder; a relative one lies in the service's root
//! rights = "rl"               # see Rights; without this line all
//! quota = "2G"                # K, M, G, T; without this line none
//! groups = ["staff"]
//! public_keys = ["ssh-ed25519 AAAA... bob@home"]
//! certificates = ["SHA-256 of a client's certificate, in hexadecimal"]
//! tokens = ["SHA-256 of a token, in hexadecimal"]
//! attributes = { phone = "12" }
//! ```
//!
//! All but the name may be left out; an account without a password, key, certificate or token cannot log in. A key
//! that is not known is refused, since a `rigths` that is ignored would give all of them.

mod edit;
mod read;

pub use edit::{AddError, Stored, UsersEditor};
pub(crate) use read::parse;
