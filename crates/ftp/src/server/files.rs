//! Files and folders: CWD to MKD, RNFR and RNTO, SIZE, MDTM, MFMT, HASH, SITE CHMOD and UTIME.

use super::{
    failure,
    session::{Access, Session, refuse, say, say_all},
    transfer::refuse_storing,
};
use crate::{
    Code, Reply,
    ascii::Encoder,
    command::{Command, Site},
    reply::quote,
    time,
};
use aws_lc_rs::digest::{Context, SHA256};
use std::{fmt::Write as _, time::SystemTime};
use trenza_core::{Deferred, Transport};
use trenza_storage::{Error, ErrorKind, Path, Storage};

/// A path as clients see it: from the root's slash on.
fn absolute(path: &Path) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

impl Session {
    pub(super) fn file(&mut self, at: &Transport, command: Command) {
        match command {
            Command::Cwd(path) => self.change_folder(at, &path),
            Command::Cdup => self.change_folder(at, b".."),
            Command::Pwd => {
                let folder = self.user().map(|user| absolute(&user.folder)).unwrap_or_default();
                say(at, Code::PATH, [&quote(&folder)[..], b" is the current folder"].concat());
            }
            Command::Mkd(path) => {
                let Some((storage, path)) = self.find(at, &path) else { return };
                self.wait(at, storage.make_folder(&path), move |_, at, made| {
                    match made {
                        Ok(()) => say(at, Code::PATH, [&quote(&absolute(&path))[..], b" is made"].concat()),
                        Err(error) => refuse(at, Error::from(error).kind()),
                    }
                    Ok(())
                });
            }
            Command::Rmd(path) => self.change(at, &path, "The folder is removed", Storage::remove_folder),
            Command::Dele(path) => self.change(at, &path, "The file is removed", Storage::remove_file),
            Command::Size(path) => self.size(at, &path),
            Command::Mdtm(path) => self.modified(at, &path),
            Command::Mfmt(when, path) => self.set_modified(at, &path, when, true),
            Command::Hash(path) => self.hash(at, path),
            Command::Site(site) => self.site(at, site),
            _ => say(at, Code::NOT_IMPLEMENTED, "This command is not implemented"),
        }
    }

    fn site(&mut self, at: &Transport, site: Site) {
        match site {
            Site::Chmod(mode, path) => {
                self.change(at, &path, "The mode is set", |storage, path| storage.set_mode(path, mode));
            }
            Site::Utime(when, path) => self.set_modified(at, &path, when, false),
            Site::Help => {
                let lines = [" CHMOD mode path", " UTIME YYYYMMDDHHMMSS path", " HELP"];
                say_all(at, &Reply::of_lines(Code::HELP, "SITE commands:", lines, "End"));
            }
            Site::Other(_) => say(at, Code::NOT_UNDERSTOOD, "This is no SITE command"),
        }
    }

    /// Changes one file or folder.
    fn change(
        &mut self,
        at: &Transport,
        text: &[u8],
        done: &'static str,
        how: impl FnOnce(&Storage, &Path) -> Deferred<()>,
    ) {
        let Some((storage, path)) = self.find(at, text) else { return };
        self.wait(at, how(&storage, &path), move |_, at, changed| {
            match changed {
                Ok(()) => say(at, Code::FILE_DONE, done),
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    fn change_folder(&mut self, at: &Transport, text: &[u8]) {
        let Some((storage, path)) = self.find(at, text) else { return };
        self.wait(at, storage.metadata(&path), move |session, at, metadata| {
            match metadata {
                Ok(metadata) if metadata.is_folder() => {
                    if let Access::In(user) = &mut session.access {
                        user.folder = path;
                    }
                    say(at, Code::FILE_DONE, "The folder is changed");
                }
                Ok(_) => refuse(at, ErrorKind::NotAFolder),
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    pub(super) fn rename_from(&mut self, at: &Transport, text: &[u8]) {
        let Some((storage, path)) = self.find(at, text) else { return };
        if path.is_root() {
            return say(at, Code::FILE_UNAVAILABLE, "The root has no other name");
        }
        self.wait(at, storage.metadata(&path), move |session, at, metadata| {
            match metadata {
                Ok(_) => {
                    session.settings.renamed = Some(path);
                    say(at, Code::PENDING, "And to which name?");
                }
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    pub(super) fn rename_to(&mut self, at: &Transport, text: &[u8], from: Option<Path>) {
        let Some(from) = from else {
            return say(at, Code::BAD_SEQUENCE, "RNFR comes first");
        };
        let Some((storage, to)) = self.find(at, text) else { return };
        self.wait(at, storage.rename(&from, &to, true), |_, at, renamed| {
            match renamed {
                Ok(()) => say(at, Code::FILE_DONE, "It has its new name"),
                Err(error) => refuse_storing(at, error),
            }
            Ok(())
        });
    }

    fn size(&mut self, at: &Transport, text: &[u8]) {
        let Some((storage, path)) = self.find(at, text) else { return };
        let (ascii, most) = (self.settings.is_ascii(), self.config().limits.ascii_size);
        let size: Deferred<Option<u64>> = at.reactor().spawn(async move {
            let metadata = storage.metadata(&path).await?;
            match metadata.is_file() {
                false => Err(Error::from(ErrorKind::IsAFolder).into()),
                true if !ascii => Ok(Some(metadata.size)),
                true if metadata.size > most => Ok(None),
                true => Ok(Some(text_size(storage, path).await?)),
            }
        });
        self.wait(at, size, |_, at, size| {
            match size {
                Ok(Some(size)) => say(at, Code::FILE_STATUS, size.to_string()),
                Ok(None) => say(at, Code::FILE_UNAVAILABLE, "Too large for SIZE in TYPE A: use TYPE I"),
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    fn modified(&mut self, at: &Transport, text: &[u8]) {
        let Some((storage, path)) = self.find(at, text) else { return };
        self.wait(at, storage.metadata(&path), |_, at, metadata| {
            match metadata {
                Ok(metadata) => say(at, Code::FILE_STATUS, time::write(metadata.modified)),
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    fn set_modified(&mut self, at: &Transport, text: &[u8], when: SystemTime, fact: bool) {
        let Some((storage, path)) = self.find(at, text) else { return };
        let text = text.to_vec();
        self.wait(at, storage.set_modified(&path, when), move |_, at, set| {
            match set {
                Ok(()) if fact => {
                    let head = format!("Modify={}; ", time::write(when));
                    say(at, Code::FILE_STATUS, [head.as_bytes(), &text].concat());
                }
                Ok(()) => say(at, Code::FILE_DONE, "The time is set"),
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    /// As draft-bryan-ftpext-hash has it: algorithm, range, digest and name.
    fn hash(&mut self, at: &Transport, text: Vec<u8>) {
        let Some((storage, path)) = self.find(at, &text) else { return };
        let hashed: Deferred<(u64, String)> =
            at.reactor().spawn(async move { Ok(digest(storage, path).await?) });
        self.wait(at, hashed, move |_, at, hashed| {
            match hashed {
                Ok((size, digest)) => {
                    let head = format!("SHA-256 0-{size} {digest} ");
                    say(at, Code::FILE_STATUS, [head.as_bytes(), &text].concat());
                }
                Err(error) => {
                    let kind = Error::from(error).kind();
                    say(at, failure::code(kind), failure::text(kind));
                }
            }
            Ok(())
        });
    }
}

/// How many bytes a file has over the wire in TYPE A.
async fn text_size(storage: Storage, path: Path) -> trenza_storage::Result<u64> {
    let file = storage.open(&path).await?;
    let size = file.opened().size;
    let (mut reader, mut encoder, mut count) = (storage.read(file, 0..size), Encoder::new(), 0);
    while let Some(piece) = reader.next().await? {
        count += encoder.count(&piece);
    }
    Ok(count)
}

/// How many bytes a file has, and their SHA-256.
async fn digest(storage: Storage, path: Path) -> trenza_storage::Result<(u64, String)> {
    let file = storage.open(&path).await?;
    let size = file.opened().size;
    let (mut reader, mut context, mut count) = (storage.read(file, 0..size), Context::new(&SHA256), 0);
    while let Some(piece) = reader.next().await? {
        context.update(&piece);
        count += piece.len() as u64;
    }
    let mut text = String::new();
    for byte in context.finish().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok((count, text))
}
