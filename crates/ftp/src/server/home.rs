//! [`Home`]: what an account finds when it has logged in, and [`Homes`], the realm that gives it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trenza_auth::{Account, Credentials, Denied, Mechanism, Portal, Realm, Rights};
use trenza_core::{Deferred, Map, Peer, Reactor};
use trenza_storage::{Allow, ErrorKind, Folder, Quota, QuotaLimits, Restricted, Result, Tree};

/// What an account finds when it has logged in.
#[derive(Debug, Clone)]
pub struct Home {
    /// Who it is. Its rights are what MLSD shows as `perm`; that it has no others is the tree's to see to.
    pub account: Arc<Account>,
    /// Its folders and files.
    pub tree: Arc<dyn Tree>,
}

/// The realm that gives accounts their folders: each has what its [`root`](Account::root) says, may do there what its
/// [`rights`](Account::rights) say, and store as much as its [`quota`](Account::quota) says.
///
/// A quota is counted once for a folder, over all sessions and loops, when the first account that has one logs in, which
/// takes a look at every file; until that is done others are told to come again. Accounts that share a folder share its
/// quota, which is that of the first of them; those without one are counted too, if they log in later, and from the first
/// login of any on with [`counted_for`](Homes::counted_for). A change of it holds from that account's next login on.
/// Folders within each other are counted each by itself. Clones share what they count.
#[derive(Clone)]
pub struct Homes(Arc<Inner>);

/// Opens what an account has as its root.
type Open = dyn Fn(&Account) -> Result<(PathBuf, Arc<dyn Tree>)> + Send + Sync;

/// Whether others have a quota in the folder of this account, which has none.
type Shared = dyn Fn(&Account) -> bool + Send + Sync;

struct Inner {
    open: Box<Open>,
    shared: Option<Box<Shared>>,
    /// Folders whose quota is counted, by their path; None while that is being done.
    counted: Mutex<Map<PathBuf, Option<Counted>>>,
}

/// A folder whose quota is counted.
struct Counted {
    quota: Arc<Quota>,
    /// Whose quota it is; None: nobody has come who has one.
    account: Option<String>,
}

impl Homes {
    /// Accounts have this folder, or one that lies in it if their root is a relative path, or another one. Folders that
    /// do not exist are made when their accounts log in.
    pub fn of_folder(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self::new(move |account| {
            let path = match &account.root {
                Some(own) => root.join(own),
                None => root.clone(),
            };
            if !path.is_dir() {
                fs::create_dir_all(&path)?;
            }
            let path = fs::canonicalize(&path)?;
            let folder = Folder::new(&path)?;
            Ok((path, Arc::new(folder)))
        })
    }

    /// All accounts have this tree, whatever their roots are.
    pub fn of_tree(tree: Arc<dyn Tree>) -> Self {
        Self::new(move |_| Ok((PathBuf::new(), tree.clone())))
    }

    /// Accounts have what `open` gives, and the path by which it is told from others. It may block.
    pub fn new(open: impl Fn(&Account) -> Result<(PathBuf, Arc<dyn Tree>)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { open: Box::new(open), shared: None, counted: Mutex::default() }))
    }

    /// Counts the folder of an account that has no quota from its first login on, too, if `shared` says that another one
    /// has a quota there: else what is written before that one logs in for the first time, and by sessions from before, is
    /// not counted. `shared` is asked at each login of such an account, from the thread pool.
    ///
    /// # Panics
    /// Clones have been made of it.
    #[must_use]
    pub fn counted_for(mut self, shared: impl Fn(&Account) -> bool + Send + Sync + 'static) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect("it is set up before it is cloned");
        inner.shared = Some(Box::new(shared));
        self
    }

    /// The tree of an account. It blocks.
    ///
    /// # Errors
    /// The folder cannot be opened or counted; [`Busy`](ErrorKind::Busy): it is being counted.
    pub fn home(&self, account: Arc<Account>) -> Result<Home> {
        let (path, tree) = (self.0.open)(&account)?;
        let tree = self.counted(path, tree, &account)?;
        let tree = match allowed(account.rights) {
            Allow::ALL => tree,
            allow => Arc::new(Restricted::new(tree, allow)),
        };
        Ok(Home { account, tree })
    }

    fn counted(&self, path: PathBuf, tree: Arc<dyn Tree>, account: &Account) -> Result<Arc<dyn Tree>> {
        let lock = || self.0.lock();
        let limits = QuotaLimits { bytes: account.quota.unwrap_or(u64::MAX), ..QuotaLimits::default() };
        {
            let mut counted = lock();
            match (counted.get_mut(&path), account.quota) {
                (Some(Some(Counted { quota, account: whose })), _) => {
                    if whose.is_none() && account.quota.is_some() {
                        *whose = Some(account.name.clone());
                    }
                    if whose.as_ref() == Some(&account.name) {
                        quota.set_limits(limits);
                    }
                    return Ok(quota.clone());
                }
                // Who waited would take a thread of the pool from others, and who did not would write uncounted.
                (Some(None), _) => return Err(ErrorKind::Busy.into()),
                (None, None) if !self.0.shared.as_ref().is_some_and(|shared| shared(account)) => {
                    return Ok(tree);
                }
                (None, _) => counted.insert(path.clone(), None),
            };
        }
        let counting = Counting { homes: &self.0, path: &path };
        let quota = Arc::new(Quota::new(tree, limits)?);
        // Nobody's until somebody comes who has one.
        let account = account.quota.map(|_| account.name.clone());
        lock().insert(path.clone(), Some(Counted { quota: quota.clone(), account }));
        drop(counting);
        Ok(quota)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Map<PathBuf, Option<Counted>>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder is being counted. When that fails, by an error or a panic, the next one tries again.
struct Counting<'a> {
    homes: &'a Inner,
    path: &'a Path,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        let mut counted = self.homes.lock();
        if counted.get(self.path).is_some_and(Option::is_none) {
            counted.remove(self.path);
        }
    }
}

fn allowed(rights: Rights) -> Allow {
    Allow {
        read: rights.contains(Rights::READ),
        write: rights.contains(Rights::WRITE),
        add: rights.contains(Rights::ADD),
        delete: rights.contains(Rights::DELETE),
        list: rights.contains(Rights::LIST),
        make: rights.contains(Rights::MAKE),
        touch: rights.contains(Rights::TOUCH),
    }
}

impl Realm for Homes {
    type Avatar = Home;

    fn avatar(&self, reactor: &Reactor, account: Arc<Account>) -> Deferred<Home> {
        let homes = self.clone();
        reactor.in_thread(move || match homes.home(account) {
            Err(error) if error.kind() == ErrorKind::Busy => Err(Denied::Busy.into()),
            home => Ok(home?),
        })
    }
}

impl fmt::Debug for Homes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Homes").finish_non_exhaustive()
    }
}

/// A portal to homes, whatever its realm.
pub(super) trait Logins: Send + Sync {
    fn login(&self, reactor: &Reactor, credentials: Credentials, peer: &Peer) -> Deferred<Home>;

    /// Nobody in particular may come in.
    fn is_anonymous(&self) -> bool;
}

impl<R: Realm<Avatar = Home> + Send + Sync + 'static> Logins for Portal<R> {
    fn login(&self, reactor: &Reactor, credentials: Credentials, peer: &Peer) -> Deferred<Home> {
        Self::login(self, reactor, credentials, peer)
    }

    fn is_anonymous(&self) -> bool {
        self.mechanisms().contains(Mechanism::Anonymous)
    }
}
