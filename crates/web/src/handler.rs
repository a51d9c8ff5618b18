//! [`Answer`]: a response, now or later.

use crate::Body;
use http::Response;
use std::{fmt, pin::Pin};

/// What a handler gives back.
pub enum Answer {
    /// The response.
    Now(Response<Body>),
    /// A future that ends with it.
    Later(Pin<Box<dyn Future<Output = Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>>>>>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => f.debug_tuple("Now").field(response).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
