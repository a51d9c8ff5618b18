//! [`Ground`]: what all servers serve.

use rcgen::generate_simple_self_signed;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder with files to serve and what else must be in files.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    site: PathBuf,
    pem: PathBuf,
}

impl Ground {
    /// `1k.bin`, `100k.bin` and `10m.bin` of bytes that are not all the same, and a certificate for localhost.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let site = folder.path().join("site");
        fs::create_dir(&site)?;
        for (name, size) in [("1k.bin", 1 << 10), ("100k.bin", 100 << 10), ("10m.bin", 10 << 20)] {
            let bytes: Vec<u8> = (0..size as u32).map(|at| (at ^ (at >> 8)) as u8).collect();
            fs::write(site.join(name), bytes)?;
        }
        let made = generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
        let pem = folder.path().join("key-and-certificate.pem");
        fs::write(&pem, made.cert.pem() + &made.signing_key.serialize_pem())?;
        Ok(Self { folder, site, pem })
    }

    /// For whatever else is needed.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files.
    pub(crate) fn site(&self) -> &Path {
        &self.site
    }

    /// The key and the certificate, an ECDSA one.
    pub(crate) fn pem(&self) -> &Path {
        &self.pem
    }

    /// What is to be answered to a request for this path.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn content(&self, path: &str) -> io::Result<Vec<u8>> {
        match path.trim_start_matches('/') {
            "" | "burn/20" | "burn/200" => Ok(b"Hello, World!".into()),
            name => fs::read(self.site.join(name)),
        }
    }
}
