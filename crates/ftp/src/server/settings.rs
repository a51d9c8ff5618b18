//! [`Settings`]: what a client has asked for, for the commands that follow.

use crate::{
    command::{Protection, TransferType},
    listing::FactSet,
};
use trenza_storage::Path;

/// What a client has asked for, for the commands that follow.
#[derive(Debug)]
pub(super) struct Settings {
    /// TYPE.
    pub(super) kind: TransferType,
    /// REST: where the next transfer begins.
    pub(super) restart: u64,
    /// RNFR: what is to get another name.
    pub(super) renamed: Option<Path>,
    /// OPTS MLST.
    pub(super) facts: FactSet,
    /// PBSZ was said.
    pub(super) sized: bool,
    /// PROT.
    pub(super) protection: Protection,
    /// EPSV ALL: no other command opens data connections.
    pub(super) extended_only: bool,
}

impl Settings {
    /// Those of a new session, which is protected from the start or not.
    pub(super) fn new(protected: bool) -> Self {
        Self {
            kind: TransferType::Ascii,
            restart: 0,
            renamed: None,
            facts: FactSet::default(),
            sized: protected,
            protection: if protected { Protection::Private } else { Protection::Clear },
            extended_only: false,
        }
    }

    /// REIN: those of a new user. What protects the connection stays.
    pub(super) fn reset(&mut self) {
        let (sized, protection) = (self.sized, self.protection);
        *self = Self { sized, protection, ..Self::new(false) };
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.kind == TransferType::Ascii
    }

    pub(super) fn is_private(&self) -> bool {
        self.protection == Protection::Private
    }
}
