//! Reasons that several lines of the table have.

pub(crate) const ANNOUNCED: &str = "RFC 9112, 9.6: who ends the connection says so in the last response";
pub(crate) const BOTH_FRAMINGS: &str =
    "stricter: RFC 9112, 6.1 lets a server refuse it; hyper drops the length";
pub(crate) const CHUNKED_TWICE: &str =
    "RFC 9112, 6.1: not to be applied twice; hyper sees the last coding only";
pub(crate) const EMPTY_LINES: &str = "stricter: RFC 9112, 2.2 has one skipped at least; hyper skips all";
pub(crate) const FORM: &str = "RFC 9112, 3.2: not a target for this method; hyper takes any URI";
pub(crate) const HOST: &str = "RFC 9112, 3.2: 400 where Host is missing, repeated or malformed";
pub(crate) const HOST_OF_THE_TARGET: &str = "RFC 9112, 3.2.2: the target decides, not Host";
pub(crate) const LENGTH_TWICE: &str = "stricter: RFC 9110, 8.6 lets a server refuse it or take it for one";
pub(crate) const LF: &str = "stricter: RFC 9112, 2.2 lets LF pass for CRLF; others see other lines then";
pub(crate) const LAST: &str = "RFC 9112, 9.6: who said close must send no more, and is not waited for; hyper's transport here has no resets";
pub(crate) const LIMIT: &str = "our limit; hyper has none, and leaves it to the handler";
pub(crate) const NO_NEED: &str = "RFC 9110, 10.1.1: no 100 where the body is there already";
pub(crate) const TRAILERS: &str = "RFC 6585, 5: 431 is the status for it; hyper breaks the body off";
pub(crate) const TUNNEL_BODY: &str =
    "stricter: RFC 9110, 9.3.6 gives a body no meaning; hyper drops it or not";
pub(crate) const TUNNEL_FORM: &str = "RFC 9112, 3.2.3: a host and a port, and nothing else";
pub(crate) const UNKNOWN_EXPECTATION: &str = "RFC 9110, 10.1.1: 417 to what is not known; hyper ignores it";
pub(crate) const VERSION: &str = "RFC 9110, 15.6.6: 505 says what is wrong";
