//! Bad accesses by `unsafe`: `rsNN_decoy` looks like them and is allowed.

use std::hint::black_box;

use pgrx::pg_sys;
use pgrx::prelude::*;

/// rs05: a slice of a chunk is read after pfree, which the compiler cannot know. The decoy reads before it.
#[pg_extern]
fn rs05_bad(n: i32) -> i32 {
    let bytes = chunk(n);
    free(bytes);
    count(bytes)
}

#[pg_extern]
fn rs05_ok(n: i32) -> i32 {
    let counted = chunk(n).to_vec();
    count(&counted)
}

#[pg_extern]
fn rs05_decoy(n: i32) -> i32 {
    let bytes = chunk(n);
    let counted = count(bytes);
    free(bytes);
    counted
}

/// rs06: a chunk is filled to the end and one byte beyond. The decoy makes a pointer to there and does not follow it.
#[pg_extern]
fn rs06_bad(n: i32) -> i32 {
    let bytes = chunk(n);
    write(bytes.as_mut_ptr().wrapping_add(bytes.len()));
    count(bytes)
}

#[pg_extern]
fn rs06_ok(n: i32) -> i32 {
    let bytes = chunk(n + 1);
    let (last, before) = bytes.split_last_mut().unwrap_or_else(|| error!("an empty chunk"));
    write(last);
    count(before)
}

#[pg_extern]
fn rs06_decoy(n: i32) -> i32 {
    let bytes = chunk(n);
    let end = black_box(bytes.as_ptr().wrapping_add(bytes.len()));
    if end == bytes.as_ptr() { -1 } else { count(bytes) }
}

/// rs07: a vector of Rust's heap is dropped before what points into it. The decoy's pointer is that of a vector that was moved,
/// which its elements were not.
#[pg_extern]
fn rs07_bad(n: i32) -> i32 {
    let rendered = render(n);
    let bytes = alias(&rendered);
    drop(black_box(rendered));
    count(bytes)
}

#[pg_extern]
fn rs07_ok(n: i32) -> i32 {
    let rendered = render(n);
    let bytes = alias(&rendered);
    let counted = count(bytes);
    drop(black_box(rendered));
    counted
}

#[pg_extern]
fn rs07_decoy(n: i32) -> i32 {
    let rendered = render(n);
    let bytes = alias(&rendered);
    let moved = Box::new(rendered);
    let counted = count(bytes);
    drop(black_box(moved));
    counted
}

#[inline(never)]
fn chunk(n: i32) -> &'static mut [u8] {
    let size = usize::try_from(n).unwrap_or(0);
    // SAFETY: palloc gives as many bytes, which are then written. They do not live as long as is said here, which is the bug.
    unsafe {
        let start = pg_sys::palloc(size).cast::<u8>();
        start.write_bytes(b'x', size);
        std::slice::from_raw_parts_mut(start, size)
    }
}

#[inline(never)]
fn free(bytes: &[u8]) {
    // SAFETY: it came from palloc. That nothing points there any more is not so, which is the bug.
    unsafe { pg_sys::pfree(bytes.as_ptr().cast_mut().cast()) }
}

#[inline(never)]
fn render(n: i32) -> Vec<u8> {
    black_box(vec![b'x'; usize::try_from(n).unwrap_or(0)])
}

#[inline(never)]
fn alias(of: &[u8]) -> &'static [u8] {
    // SAFETY: not so: the vector is dropped before the last use, which is the bug.
    unsafe { std::slice::from_raw_parts(of.as_ptr(), of.len()) }
}

#[inline(never)]
fn write(to: *mut u8) {
    // SAFETY: not so, which is the bug, where it is behind the end of the chunk.
    unsafe { to.write_volatile(b'x') }
}

/// The first of them hold what the allocator has noted there, where they have been given back.
#[inline(never)]
fn count(bytes: &[u8]) -> i32 {
    // SAFETY: not so, which is the bug, where they have been given back.
    let read = |byte: &u8| unsafe { std::ptr::from_ref(byte).read_volatile() };
    let seen = bytes.iter().skip(16).map(read).filter(|byte| *byte == b'x').count();
    i32::try_from(seen).unwrap_or(i32::MAX)
}
