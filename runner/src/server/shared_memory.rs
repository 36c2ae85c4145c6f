//! Shared memory that a postmaster leaves behind when it is killed. Another one in its data directory would remove it
//! (`PGSharedMemoryCreate` in sysv_shmem.c, `dsm_cleanup_using_control_segment` in dsm.c); there is none for servers of a run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::ptr;

use nix::libc::{IPC_RMID, SHM_RDONLY, shmat, shmctl, shmdt};
use nix::unistd::{Pid, getpgid};

use super::account::Account;

/// `PGShmemMagic` of pg_shmem.h.
const MAGIC: u32 = 679_834_894;

/// `PG_DYNSHMEM_CONTROL_MAGIC` of dsm.c.
const CONTROL_MAGIC: u32 = 0x9a50_3d32;

/// `PGShmemHeader` of pg_shmem.h, as far as it is needed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Header {
    magic: u32,
    creator: i32,
    total: usize,
    free: usize,
    control: u32,
}

/// `dsm_control_item` of dsm.c begins with handle and count of references.
const ITEM: usize = 40;

/// Bytes in front of the items (`dsm_control_header` of dsm.c).
const ITEMS: usize = 16;

/// Removes what the postmasters have left behind that had their data below a directory.
pub(super) fn remove_of(directory: &Path, account: &Account) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path().join("postmaster.pid")).unwrap_or_default();
        // A server without a postmaster writes it with a sign (miscinit.c, CreateLockFile).
        if let Some(pid) = text.lines().next().and_then(|pid| pid.trim().parse::<i32>().ok()) {
            remove(pid.saturating_abs(), account);
        }
    }
}

/// What a process has that is going to be killed, which may be a server.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pid: i32,
    /// Whose process it is.
    uid: u32,
    /// Segments that it has mapped: those of dsm.c, under the names that posix shared memory has.
    mapped: Vec<PathBuf>,
}

impl Held {
    /// What the processes of a process group have.
    pub(super) fn by_group(group: i32) -> Vec<Self> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has = |pid: i32| {
            let process = Path::new("/proc").join(pid.to_string());
            let uid = fs::metadata(&process).ok()?.uid();
            let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
            Some(Held { pid, uid, mapped: mapped(&maps) })
        };
        pids.filter(|&pid| getpgid(Some(Pid::from_raw(pid))) == Ok(Pid::from_raw(group))).filter_map(has).collect()
    }

    /// Removes it, when the process is gone.
    pub(super) fn remove(&self) {
        for segment in &self.mapped {
            let _ = fs::remove_file(segment);
        }
        remove_segments(self.pid, |uid| uid == self.uid);
    }
}

/// The segments of dsm.c in what a process has mapped (proc(5), /proc/PID/maps).
fn mapped(maps: &str) -> Vec<PathBuf> {
    let names = maps.lines().filter_map(|line| line.find("/dev/shm/PostgreSQL.").map(|at| &line[at..]));
    let distinct: BTreeSet<&str> = names.filter(|name| !name.ends_with(" (deleted)")).collect();
    distinct.into_iter().map(PathBuf::from).collect()
}

/// Removes what a postmaster has left behind that is gone.
pub(super) fn remove(postmaster: i32, account: &Account) {
    remove_segments(postmaster, |uid| account.is(uid));
}

fn remove_segments(postmaster: i32, is_owner: impl Fn(u32) -> bool) {
    let list = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    for id in segments(&list, postmaster, is_owner) {
        if let Some(header) = header(id).filter(|header| header.magic == MAGIC && header.creator == postmaster) {
            let control = Path::new("/dev/shm").join(format!("PostgreSQL.{}", header.control));
            for handle in handles(&fs::read(&control).unwrap_or_default()) {
                // Somebody else may have removed it.
                let _ = fs::remove_file(control.with_file_name(format!("PostgreSQL.{handle}")));
            }
            let _ = fs::remove_file(control);
            // SAFETY: the call takes a number; a segment that nobody is attached to goes.
            unsafe { shmctl(id, IPC_RMID, ptr::null_mut()) };
        }
    }
}

/// The segments that a process has created and nobody is attached to (proc(5), /proc/sysvipc/shm).
fn segments(list: &str, creator: i32, is_owner: impl Fn(u32) -> bool) -> Vec<i32> {
    let segment = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (id, size, cpid, attached, uid) =
            (fields.get(1)?, fields.get(3)?, fields.get(4)?, fields.get(6)?, fields.get(7)?);
        let is_it = cpid.parse() == Ok(creator) && *attached == "0" && is_owner(uid.parse().ok()?);
        let is_large_enough = size.parse::<usize>().is_ok_and(|size| size >= size_of::<Header>());
        id.parse().ok().filter(|_| is_it && is_large_enough)
    };
    list.lines().filter_map(segment).collect()
}

/// What a segment begins with.
fn header(id: i32) -> Option<Header> {
    // SAFETY: without an address the system chooses one where nothing else is.
    let address = unsafe { shmat(id, ptr::null(), SHM_RDONLY) };
    if address.addr() == usize::MAX {
        return None;
    }
    // SAFETY: the segment is attached, as large as the header, and of pages, so aligned; any bytes are a header.
    let header = unsafe { address.cast::<Header>().read() };
    // SAFETY: nothing refers to it.
    unsafe { shmdt(address) };
    Some(header)
}

/// The segments that a control segment has in use. Those in the main region, whose handles are odd, are none of their own
/// (`is_main_region_dsm_handle` in dsm.c).
fn handles(control: &[u8]) -> Vec<u32> {
    let number =
        |at: usize| control.get(at..at + 4).map(|bytes| u32::from_ne_bytes(bytes.try_into().expect("four bytes")));
    if number(0) != Some(CONTROL_MAGIC) {
        return Vec::new();
    }
    let items = (0..number(4).unwrap_or(0) as usize).map(|item| ITEMS + item * ITEM);
    let used = items.map_while(|at| Some((number(at)?, number(at + 4)?)));
    used.filter(|(handle, references)| *references != 0 && handle % 2 == 0).map(|(handle, _)| handle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_a_postmaster_are_found() {
        let list = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime\n
                       1         10   600                    56    42    42      0   101   101   101   101          0\n
                       1         11   600                    56    42    42      3   101   101   101   101          0\n
                       1         12   600                    56    42    42      0   102   101   101   101          0\n
                       1         13   600                    56    43    42      0   101   101   101   101          0\n
                       1         14   600                     8    42    42      0   101   101   101   101          0\n";
        assert_eq!(segments(list, 42, |uid| uid == 101), [10]);
        assert_eq!(segments("", 42, |_| true), [0; 0]);
    }

    #[test]
    fn segments_that_are_mapped_are_found() {
        let maps = "7f30-7f31 rw-s 00000000 00:1c 42   /dev/shm/PostgreSQL.990416628\n\
                    7f31-7f32 rw-s 00000000 00:1c 42   /dev/shm/PostgreSQL.990416628\n\
                    7f32-7f33 rw-s 00000000 00:1c 43   /dev/shm/PostgreSQL.7 (deleted)\n\
                    7f33-7f34 rw-s 00000000 00:1c 44   /dev/shm/other\n\
                    7f34-7f35 r-xp 00000000 00:1c 45   /usr/lib/postgresql/15/bin/postgres\n";
        assert_eq!(mapped(maps), [Path::new("/dev/shm/PostgreSQL.990416628")]);
    }

    #[test]
    fn handles_of_a_control_segment() {
        let mut control = [CONTROL_MAGIC, 3, 64, 0].map(u32::to_ne_bytes).concat();
        for (handle, references) in [(8_u32, 2_u32), (9, 2), (10, 0), (12, 1)] {
            control.extend([handle, references].map(u32::to_ne_bytes).concat());
            control.extend([0; ITEM - 8]);
        }
        assert_eq!(handles(&control), [8]);
        assert_eq!(handles(&control[..ITEMS]), [0; 0]);
        assert_eq!(handles(&control[4..]), [0; 0]);
    }
}
