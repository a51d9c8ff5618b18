//! [`Limits`]: what one message may cost.

/// What one message may cost at most. Sizes are in bytes.
///
/// A peer that goes over one of them gets the status named beside it, and the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The head: request line and fields, line ends included (431). 16 KiB.
    pub head: usize,
    /// The number of field lines in a head or a trailer section (431). 100.
    pub fields: usize,
    /// The request target (414). 8 KiB.
    pub target: usize,
    /// A chunk's size line with its extensions (400). 256.
    pub chunk_line: usize,
    /// All chunk extensions of one message together (400). 4 KiB.
    pub chunk_extensions: usize,
    /// The trailer section (431). 8 KiB.
    pub trailers: usize,
    /// The body without its framing (413). 16 MiB: forms and pictures pass, and a hundred clients that send
    /// to a handler which collects bodies do not fill a small machine. Servers that take uploads raise it.
    pub body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            fields: 100,
            target: 8 * 1024,
            chunk_line: 256,
            chunk_extensions: 4 * 1024,
            trailers: 8 * 1024,
            body: 16 * 1024 * 1024,
        }
    }
}
