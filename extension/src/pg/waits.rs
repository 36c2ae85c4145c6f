//! Locks of the lock manager that a process is made to wait for: which ones a transaction takes, and one that is held against it.

use std::cell::RefCell;
use std::ffi::c_int;
use std::time::{Duration, Instant};

use memcheck_core::room;
use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use super::thread::ServerThread;
use super::{process, transactions};

/// A lock, by its tag (`LOCKTAG` in lock.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    fields: [u32; 3],
    last: u16,
    kind: u8,
    method: u8,
}

/// What has no other lock that conflicts with it: `AccessExclusiveLock` (lockdefs.h).
const MODE: c_int = 8;
/// `LOCKTAG_RELATION`, `LOCKTAG_ADVISORY`: their numbers in all versions (`LockTagType` in lock.h), by pgrx's bindings.
const RELATION: u32 = pg_sys::LockTagType::LOCKTAG_RELATION;
const ADVISORY: u32 = pg_sys::LockTagType::LOCKTAG_ADVISORY;

/// The locks that transactions of this process have held at their end, since [`note`].
static NOTED: ServerThread<RefCell<Vec<Lock>>> = ServerThread::new(RefCell::new(Vec::new()));

impl Lock {
    fn of(tag: &pg_sys::LOCKTAG) -> Self {
        Lock {
            fields: [tag.locktag_field1, tag.locktag_field2, tag.locktag_field3],
            last: tag.locktag_field4,
            kind: tag.locktag_type,
            method: tag.locktag_lockmethodid,
        }
    }

    fn tag(&self) -> pg_sys::LOCKTAG {
        let [locktag_field1, locktag_field2, locktag_field3] = self.fields;
        pg_sys::LOCKTAG {
            locktag_field1,
            locktag_field2,
            locktag_field3,
            locktag_field4: self.last,
            locktag_type: self.kind,
            locktag_lockmethodid: self.method,
        }
    }

    /// Whether another process can be made to wait for it without harm to everybody: a relation that is not the server's own, or an
    /// advisory lock.
    fn is_of_interest(&self) -> bool {
        match u32::from(self.kind) {
            RELATION => self.fields[1] >= pg_sys::FirstNormalObjectId,
            kind => kind == ADVISORY,
        }
    }

    /// Takes it, if nobody has it. In a transaction, which gives it back at the latest.
    pub(crate) fn hold(&self) -> bool {
        // SAFETY: a tag, of which the server makes a copy. It does not wait.
        unsafe {
            pg_sys::LockAcquire(&self.tag(), MODE, false, true) != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
        }
    }

    /// Gives it back.
    pub(crate) fn release(&self) {
        // SAFETY: it was taken by [`Self::hold`].
        unsafe { pg_sys::LockRelease(&self.tag(), MODE, false) };
    }

    /// Waits until a process has it, or has it no more; for so long at most. Whether that is so.
    pub(crate) fn await_holder(&self, pid: i32, is_to_have: bool, longest: Duration) -> bool {
        const STEP: Duration = Duration::from_millis(2);
        let deadline = Instant::now() + longest;
        while all().iter().any(|(held, by, mode)| held == self && *by == pid && mode & 1 << MODE != 0) != is_to_have {
            if Instant::now() > deadline {
                return false;
            }
            process::nap(STEP);
        }
        true
    }

    /// What it is called. In a transaction.
    pub(crate) fn name(&self) -> String {
        if u32::from(self.kind) != RELATION {
            return "an advisory lock".to_owned();
        }
        // SAFETY: looks it up; the name is palloc'ed, or null.
        let name = unsafe { super::text(pg_sys::get_rel_name(self.fields[1].into())) };
        match name {
            Some(name) => format!("relation \"{}\"", name.to_string_lossy()),
            None => format!("relation {}", self.fields[1]),
        }
    }
}

/// The locks that there are: by whom they are held, and in which modes.
fn all() -> Vec<(Lock, c_int, c_int)> {
    let mut all = Vec::new();
    // SAFETY: a copy of what there is, in the current context, which is given back.
    unsafe {
        let data = pg_sys::GetLockStatusData();
        for lock in std::slice::from_raw_parts((*data).locks, (*data).nelements.max(0) as usize) {
            room::push(&mut all, (Lock::of(&lock.locktag), lock.pid, lock.holdMask));
        }
        pg_sys::pfree((*data).locks.cast());
        pg_sys::pfree(data.cast());
    }
    all
}

/// Notes from now on what transactions of this process hold at their end.
pub(crate) fn note() {
    fn ends() {
        let mine = process::my_pid();
        let mut noted = NOTED.borrow_mut();
        for (lock, ..) in
            all().into_iter().filter(|&(lock, pid, modes)| pid == mine && modes != 0 && lock.is_of_interest())
        {
            if !noted.contains(&lock) {
                room::push(&mut noted, lock);
            }
        }
    }
    NOTED.borrow_mut().clear();
    transactions::before_end(Some(ends));
}

/// What was noted. It is over.
pub(crate) fn noted() -> Vec<Lock> {
    transactions::before_end(None);
    NOTED.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_its_tag() {
        let lock = Lock { fields: [5, 20_000, 0], last: 0, kind: RELATION as u8, method: 1 };
        assert_eq!(Lock::of(&lock.tag()), lock);
        assert!(lock.is_of_interest());
        assert!(!Lock { fields: [5, 1259, 0], ..lock }.is_of_interest());
        assert!(!Lock { kind: pg_sys::LockTagType::LOCKTAG_TRANSACTION as u8, ..lock }.is_of_interest());
        assert!(Lock { kind: ADVISORY as u8, ..lock }.is_of_interest());
    }
}
