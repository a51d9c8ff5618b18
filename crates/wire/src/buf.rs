//! What a layer works on: [`Wire`] comes in, [`Buf`] goes up.

/// Bytes as they came from the wire, for a layer to change in place and consume.
#[derive(Debug)]
pub struct Wire<'a> {
    data: &'a mut [u8],
    used: usize,
}

impl<'a> Wire<'a> {
    /// All of `data`, nothing consumed.
    pub fn new(data: &'a mut [u8]) -> Self {
        Self { data, used: 0 }
    }

    /// The bytes that were not consumed yet.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.data.get_mut(self.used..).unwrap_or_default()
    }

    /// Takes `n` bytes from the front, or all if there are fewer.
    pub fn consume(&mut self, n: usize) {
        self.used = self.used.saturating_add(n).min(self.data.len());
    }

    /// How many bytes were consumed.
    pub fn used(&self) -> usize {
        self.used
    }
}

/// Bytes that a layer hands up, towards the protocol.
#[derive(Debug, Default)]
pub struct Buf {
    data: Vec<u8>,
}

impl Buf {
    /// An empty buffer, which owns no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a copy of `data`.
    pub fn push(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    /// The number of bytes in it.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True when there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Its bytes as a vector that a writer may append to.
    pub fn as_mut_vec(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Its bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.data
    }
}

impl From<Vec<u8>> for Buf {
    fn from(data: Vec<u8>) -> Self {
        Self { data }
    }
}
