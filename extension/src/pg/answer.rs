//! What a query gives, digested: a receiver of rows that keeps nothing of them but a hash.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

use super::server;
use super::thread::ServerThread;

/// The hash so far.
static DIGEST: ServerThread<Cell<u64>> = ServerThread::new(Cell::new(0));
/// What the text of a row is made in; it goes with the query.
static ROOM: ServerThread<Cell<pg_sys::MemoryContext>> = ServerThread::new(Cell::new(std::ptr::null_mut()));
/// The server is given its address.
static RECEIVER: ServerThread<UnsafeCell<pg_sys::_DestReceiver>> =
    ServerThread::new(UnsafeCell::new(pg_sys::_DestReceiver {
        receiveSlot: Some(receive),
        rStartup: Some(start),
        rShutdown: Some(end),
        rDestroy: Some(end),
        mydest: pg_sys::CommandDest::DestNone,
    }));

/// FNV-1a, in 64 bits.
const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x100_0000_01b3;

fn add(bytes: &[u8]) {
    let digest = bytes.iter().fold(DIGEST.get(), |digest, &byte| (digest ^ u64::from(byte)).wrapping_mul(PRIME));
    DIGEST.set(digest);
}

/// An answer begins.
pub(super) fn begins() {
    DIGEST.set(START);
}

/// All of it so far.
pub(super) fn digest() -> u64 {
    DIGEST.get()
}

/// Whoever digests it.
pub(super) fn receiver() -> *mut pg_sys::DestReceiver {
    RECEIVER.get()
}

unsafe extern "C-unwind" fn start(_: *mut pg_sys::DestReceiver, _operation: c_int, _row: pg_sys::TupleDesc) {
    // SAFETY: a new context, which goes with the query's.
    let room = unsafe {
        server::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"answer".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    };
    ROOM.set(room);
    add(b"rows");
}

unsafe extern "C-unwind" fn end(_: *mut pg_sys::DestReceiver) {}

/// Digests a row as a client is sent it (`printtup` in printtup.c).
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, _: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: a row as the executor gives it. An ERROR leaves this frame, which owns nothing.
    unsafe {
        let row = (*slot).tts_tupleDescriptor;
        let columns = (*row).natts;
        if c_int::from((*slot).tts_nvalid) < columns {
            server::slot_getsomeattrs_int(slot, columns);
        }
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = ROOM.get();
        add(b"row");
        for column in 0..columns as usize {
            if *(*slot).tts_isnull.add(column) {
                add(b"null");
                continue;
            }
            let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
            server::getTypeOutputInfo(server::SPI_gettypeid(row, column as c_int + 1), &mut output, &mut is_varlena);
            let text = server::OidOutputFunctionCall(output, *(*slot).tts_values.add(column));
            add(CStr::from_ptr(text).to_bytes_with_nul());
        }
        pg_sys::CurrentMemoryContext = before;
        server::MemoryContextReset(ROOM.get());
    }
    true
}
