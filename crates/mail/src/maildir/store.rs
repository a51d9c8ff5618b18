//! What is done on the pool: making Maildirs, and storing messages so that they survive a loss of power.

use super::{Place, quota, trouble::Trouble};
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

/// Brings a message that was written to the medium, and gives it its name in the `new` of each place. What came of each;
/// with `together` all of them have it or none.
pub(super) fn store(
    tree: &dyn Tree,
    mut writer: Box<dyn Writer>,
    temporary: &Path,
    places: &[Place],
    name: &str,
    together: bool,
) -> Result<Vec<Result<(), Trouble>>> {
    writer.sync()?;
    let size = writer.commit()?.size;
    let name = format!("{name},S={size}");
    let last = places.len().saturating_sub(1);
    let mut each: Vec<Result<(), Trouble>> = Vec::with_capacity(places.len());
    for (number, Place { folder, quota }) in places.iter().enumerate() {
        let fits = quota.map_or(Ok(()), |quota| quota::check(tree, folder, quota, size, None));
        each.push(fits.and_then(|()| Ok(name_it(tree, temporary, folder, &name, number == last)?)));
    }
    if each.last().is_none_or(Result::is_err) {
        let _ = tree.remove_file(temporary);
    }
    let stored = places.iter().zip(&each).filter(|(_, one)| one.is_ok());
    if together && let Some(trouble) = each.iter().find_map(|one| one.as_ref().err()) {
        for (place, _) in stored {
            let _ = new(&place.folder, &name).and_then(|path| tree.remove_file(&path));
        }
        return Ok(each.iter().map(|_| Err(trouble.again())).collect());
    }
    for (place, _) in stored.filter(|(place, _)| place.quota.is_some()) {
        quota::add(tree, &place.folder, size);
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
