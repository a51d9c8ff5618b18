//! [`Answer`]: a response, now or later.

use crate::Body;
use http::Response;
use std::{fmt, pin::Pin};

/// A coroutine that ends with a response.
pub type Later = Pin<Box<dyn Future<Output = trenza_core::Result<Response<Body>>>>>;

/// What a handler gives back.
pub enum Answer {
    /// The response.
    Now(Response<Body>),
    /// A future that ends with it.
    Later(Later),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => f.debug_tuple("Now").field(response).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
