//! Calls that are left out: what they would have given back, and whether it goes by itself.

use super::plan::Takes;
use crate::contexts::Context;
use crate::pg::chunks::context_of;

/// What a flag says of a call that is left out, besides that it was reached: that what it would have given back goes with the message, the
/// portal or the transaction all the same.
const GOES: u8 = 2;
/// That it stays; or that this is not known.
const STAYS: u8 = 4;

/// Stands for a function that gives something back: jumped to with what that was called with, and with the flag of its place.
pub(super) extern "C" fn dropped(argument: usize, flag: *mut u8, value: u32, takes: u32) -> usize {
    let says = if goes(argument, takes) { GOES } else { STAYS };
    // SAFETY: a byte of a mapping that stays.
    unsafe { flag.write_volatile(flag.read_volatile() | 1 | says) };
    value as usize
}

fn goes(argument: usize, takes: u32) -> bool {
    if argument == 0 {
        return true;
    }
    // SAFETY: whoever has called the server's function had to give it what it takes.
    unsafe {
        match takes {
            _ if takes == Takes::Chunk as u32 => Context::at(context_of(argument)).goes_with_transaction(),
            _ if takes == Takes::Context as u32 => Context::at(argument).goes_with_transaction(),
            _ => false,
        }
    }
}
