//! [`Question`]: what a server is asked, and whether something is an answer to it.

use crate::{Error, ErrorKind, Message, Name, RecordType, Result, UDP_BYTES};
use hickory_proto::op::{Edns, MessageType, OpCode, Query, ResponseCode};

/// Bytes of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// A question on its way: the bytes that are sent, with an id and a spelling of the name that nobody can guess.
///
/// The name's letters are in upper or lower case by chance ("0x20"), and answers repeat them: another bit for each
/// letter that who forges an answer has to guess, beside the 16 of the id and those of the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    bytes: Vec<u8>,
    /// Where the question ends within them.
    end: usize,
}

/// How much something is like an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It answers the question, as it was spelled.
    Same,
    /// Its id is right, and its question is spelled in another way or missing: the server is careless or the answer
    /// forged. Over TCP it will do.
    Doubtful,
    /// It answers something else, or is no answer.
    Other,
}

impl Question {
    /// Asks for records of a type. `random` fills in what nobody must guess; `edns` offers to take answers of up to
    /// [`UDP_BYTES`] (RFC 6891), which very old servers do not understand.
    ///
    /// # Errors
    /// The name is too long.
    pub fn new(
        name: &Name,
        record_type: RecordType,
        edns: bool,
        mut random: impl FnMut(&mut [u8]),
    ) -> Result<Self> {
        let bad = |error: hickory_proto::ProtoError| {
            Error::new(name, Some(record_type), ErrorKind::BadName(error.to_string()))
        };
        let mut id = [0; 2];
        random(&mut id);
        let mut message = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(respelled(name, &mut random).map_err(bad)?, record_type));
        let mut bytes = message.to_vec().map_err(bad)?;
        let end = bytes.len();
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_BYTES).set_version(0);
            message.set_edns(edns);
            bytes = message.to_vec().map_err(bad)?;
        }
        Ok(Self { bytes, end })
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether these bytes are an answer to it.
    pub fn likeness(&self, answer: &[u8]) -> Likeness {
        let (Some(header), Some(id)) = (answer.first_chunk::<HEADER>(), self.bytes.first_chunk::<2>()) else {
            return Likeness::Other;
        };
        let [a, b, flags, code, zero, questions, ..] = *header;
        // An answer (QR) to a plain query (opcode 0).
        if [a, b] != *id || flags & 0xf8 != 0x80 {
            return Likeness::Other;
        }
        let asked = self.bytes.get(HEADER..self.end).unwrap_or_default();
        let Some(question) = answer.get(HEADER..self.end).filter(|_| [zero, questions] == [0, 1]) else {
            let refused = [zero, questions] == [0, 0] && matches!(code & 0x0f, 1 | 4);
            return if refused { Likeness::Doubtful } else { Likeness::Other };
        };
        match (question.split_last_chunk::<4>(), asked.split_last_chunk::<4>()) {
            _ if question == asked => Likeness::Same,
            // Lengths of labels are no letters, so only names can differ in case; behind them are type and class.
            (Some((name, kind)), Some((other, same))) if kind == same && name.eq_ignore_ascii_case(other) => {
                Likeness::Doubtful
            }
            _ => Likeness::Other,
        }
    }

    /// The answer in these bytes, which were found to be like one.
    pub(crate) fn read(answer: &[u8]) -> Result<Message, ErrorKind> {
        Message::from_vec(answer).map_err(|error| ErrorKind::Malformed(error.to_string()))
    }
}

/// Whether a server does not understand EDNS (RFC 6891 section 7).
pub(crate) fn is_too_old(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS)
}

/// The name with letters in upper or lower case by chance.
fn respelled(name: &Name, random: &mut impl FnMut(&mut [u8])) -> Result<Name, hickory_proto::ProtoError> {
    let labels = name.iter().map(|label| {
        let mut bits = vec![0; label.len().div_ceil(8)];
        random(&mut bits);
        let flips = bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let flipped = label.iter().zip(flips).map(|(byte, flip)| match byte.is_ascii_alphabetic() && flip {
            true => byte ^ 0x20,
            false => *byte,
        });
        flipped.collect::<Vec<u8>>()
    });
    let mut respelled = Name::from_labels(labels.collect::<Vec<_>>())?;
    respelled.set_fqdn(true);
    Ok(respelled)
}
