//! What is done on the pool: making Maildirs, and storing messages so that they survive a loss of power.

use trenza_storage::{ErrorKind, Path, Result, Tree, Write, Writer};

/// Nobody else looks into a mailbox.
const MODE: u32 = 0o700;
/// The folders of a Maildir.
pub(super) const FOLDERS: [&str; 3] = ["tmp", "new", "cur"];

/// Makes a Maildir where there is none. It is on the medium afterwards, with all folders that lead to it, also if it was
/// there before: whoever made it may not have come as far.
pub(super) fn make(tree: &dyn Tree, folder: &Path) -> Result {
    let mut at = Path::root();
    for name in folder.names() {
        let inner = at.join(name)?;
        make_folder(tree, &inner)?;
        tree.sync(&at)?;
        at = inner;
    }
    for name in FOLDERS {
        make_folder(tree, &at.join(name)?)?;
    }
    if at.name().is_some_and(|name| name.starts_with(b".")) {
        mark(tree, &at)?;
    }
    tree.sync(&at)
}

/// Says that this is a folder of a Maildir++, and no Maildir by itself.
fn mark(tree: &dyn Tree, folder: &Path) -> Result {
    match tree.write(&folder.join("maildirfolder")?, Write::New) {
        Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
        marked => marked?.commit().map(drop),
    }
}

fn make_folder(tree: &dyn Tree, path: &Path) -> Result {
    match tree.make_folder(path) {
        Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
        made => made.and_then(|()| tree.set_mode(path, MODE)),
    }
}

/// Brings a message that was written to the medium, and gives it its name in the `new` of each folder. What came of each;
/// with `together` all of them have it or none.
pub(super) fn store(
    tree: &dyn Tree,
    mut writer: Box<dyn Writer>,
    temporary: &Path,
    folders: &[Path],
    name: &str,
    together: bool,
) -> Result<Vec<Result>> {
    writer.sync()?;
    let size = writer.commit()?.size;
    let name = format!("{name},S={size}");
    let last = folders.len().saturating_sub(1);
    let mut each: Vec<Result> = Vec::with_capacity(folders.len());
    for (number, folder) in folders.iter().enumerate() {
        each.push(name_it(tree, temporary, folder, &name, number == last));
    }
    if each.last().is_none_or(Result::is_err) {
        let _ = tree.remove_file(temporary);
    }
    if together && let Some(error) = each.iter().find_map(|one| one.as_ref().err()) {
        let kind = error.kind();
        for (folder, _) in folders.iter().zip(&each).filter(|(_, one)| one.is_ok()) {
            let _ = new(folder, &name).and_then(|path| tree.remove_file(&path));
        }
        return Err(kind.into());
    }
    Ok(each)
}

/// Gives a message its name in a folder, which is on the medium then. `moves`: the temporary name is not needed any more.
fn name_it(tree: &dyn Tree, temporary: &Path, folder: &Path, name: &str, moves: bool) -> Result {
    let path = new(folder, name)?;
    if moves {
        tree.rename(temporary, &path, false)?;
    } else {
        tree.link(temporary, &path)?;
    }
    tree.sync(&folder.join("new")?).inspect_err(|_| {
        let _ = tree.remove_file(&path);
    })
}

fn new(folder: &Path, name: &str) -> Result<Path> {
    folder.join("new")?.join(name)
}
