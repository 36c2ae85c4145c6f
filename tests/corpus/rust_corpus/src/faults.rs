//! A panic where nobody can catch it: Rust ends the process by abort().

use std::ffi::{c_int, c_void};
use std::hint::black_box;

use pgrx::prelude::*;

unsafe extern "C" {
    // stdlib.h
    fn qsort(
        start: *mut c_void,
        count: usize,
        size: usize,
        compare: unsafe extern "C" fn(*const c_void, *const c_void) -> c_int,
    );
}

/// Called by C, which no panic can pass.
unsafe extern "C" fn by_quotient(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: two numbers of the array.
    let (a, b) = unsafe { (*a.cast::<i32>(), *b.cast::<i32>()) };
    assert!(a != 0 && b != 0, "division by zero");
    (100 / a).cmp(&(100 / b)) as c_int
}

/// Sorts numbers, of which one may be 0.
#[pg_extern]
fn panic_in_callback(number: i32) -> i32 {
    let mut numbers = black_box([3, 1, number]);
    // SAFETY: an array of three numbers.
    unsafe { qsort(numbers.as_mut_ptr().cast(), numbers.len(), size_of::<i32>(), by_quotient) };
    numbers[0]
}

/// The same mistake where pgrx catches the panic and makes an ERROR of it.
#[pg_extern]
fn panic_in_function(number: i32) -> i32 {
    assert!(number != 0, "division by zero");
    100 / number
}
