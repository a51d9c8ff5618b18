//! [`Case`]: a line of the table.

/// What the client asks for behind every request: whoever still understands the connection answers it.
pub(crate) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

/// The request is refused, and the connection ends.
pub(crate) const REFUSED: &str = "400 close; closed";

/// What a client sends on one connection, and what it gets from either server.
///
/// Unless told otherwise, [`NEXT`] follows in the same segment, and the client does not end its side.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    request: &'static [u8],
    then: Option<&'static [u8]>,
    repeated: (&'static str, usize),
    cut: bool,
    /// Neither server is sent it in pieces.
    pub(crate) whole: bool,
    /// hyper is not.
    pub(crate) whole_to_hyper: bool,
    /// The client ends its side behind everything.
    pub(crate) half_closes: bool,
    /// What ours gives.
    pub(crate) ours: &'static str,
    /// What hyper gives, and why ours is right, where that is something else.
    pub(crate) hyper: Option<(&'static str, &'static str)>,
}

/// A case in which both servers give the same.
pub(crate) const fn same(name: &'static str, request: &'static [u8], both: &'static str) -> Case {
    Case {
        name,
        request,
        then: None,
        repeated: ("", 0),
        cut: false,
        whole: false,
        whole_to_hyper: false,
        half_closes: false,
        ours: both,
        hyper: None,
    }
}

/// A case in which hyper gives something else, and why ours is right.
pub(crate) const fn differ(
    name: &'static str,
    request: &'static [u8],
    ours: &'static str,
    hyper: &'static str,
    why: &'static str,
) -> Case {
    Case { hyper: Some((hyper, why)), ..same(name, request, ours) }
}

impl Case {
    /// The client waits for what the server has to say, then sends this and [`NEXT`].
    pub(crate) const fn then(self, more: &'static [u8]) -> Self {
        Self { then: Some(more), ..self }
    }

    /// The client ends its side behind [`NEXT`].
    pub(crate) const fn half_closed(self) -> Self {
        Self { half_closes: true, ..self }
    }

    /// The client ends its side instead of sending [`NEXT`].
    pub(crate) const fn cut(self) -> Self {
        Self { cut: true, half_closes: true, ..self }
    }

    /// The request is not sent in pieces too, since what the client gets depends on how it is.
    pub(crate) const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The request is not sent to hyper in pieces too, since what it gives depends on how it is.
    pub(crate) const fn whole_to_hyper(self) -> Self {
        Self { whole_to_hyper: true, ..self }
    }

    /// Each `~` of the request stands for so many repetitions of a text.
    pub(crate) const fn repeat(self, text: &'static str, times: usize) -> Self {
        Self { repeated: (text, times), ..self }
    }

    /// What is sent, in segments; each waits until the servers have nothing more to say to the one before.
    pub(crate) fn segments(&self) -> Vec<Vec<u8>> {
        let mut first = Vec::new();
        for byte in self.request {
            match byte {
                b'~' if self.repeated.1 > 0 => {
                    first.extend_from_slice(self.repeated.0.repeat(self.repeated.1).as_bytes())
                }
                byte => first.push(*byte),
            }
        }
        let mut segments: Vec<Vec<u8>> =
            [Some(first), self.then.map(<[u8]>::to_vec)].into_iter().flatten().collect();
        if let Some(last) = segments.last_mut().filter(|_| !self.cut) {
            last.extend_from_slice(NEXT);
        }
        segments
    }

    /// Ours refuses a request of it.
    pub(crate) fn is_refused(&self) -> bool {
        self.ours.split("; ").any(|response| response.starts_with(['4', '5']))
    }

    /// The same bytes, each segment cut at a few places that `seed` chooses.
    pub(crate) fn split(&self, seed: u64) -> Vec<Vec<u8>> {
        let mut dice = seed;
        let mut below = |n: usize| {
            // The step of a 64-bit linear congruential generator; its upper half is random enough.
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as usize % n.max(1)
        };
        let mut pieces = Vec::new();
        for mut segment in self.segments() {
            for _ in 0..=below(4) {
                let rest = segment.split_off(below(segment.len()));
                pieces.push(segment);
                segment = rest;
            }
            pieces.push(segment);
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}
