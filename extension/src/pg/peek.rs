//! Memory that may not be there, read by way of a pipe, into which the kernel does not write what it cannot read.

use std::ffi::c_void;

/// Reads memory that may not be there.
pub(crate) struct Memory {
    read: i32,
    write: i32,
}

impl Memory {
    /// None where no pipe can be made.
    pub(crate) fn new() -> Option<Self> {
        let mut ends = [0; 2];
        // SAFETY: writes both ends.
        let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } == 0;
        made.then_some(Memory { read: ends[0], write: ends[1] })
    }

    /// A number.
    pub(crate) fn read<T: Default + Copy>(&self, address: usize) -> Option<T> {
        let mut value = T::default();
        let from = std::ptr::with_exposed_provenance::<c_void>(address);
        // SAFETY: the kernel reads what is there and refuses the rest; what comes back is written into a number of that size.
        let moved = unsafe {
            libc::write(self.write, from, size_of::<T>()) == size_of::<T>() as isize
                && libc::read(self.read, (&raw mut value).cast(), size_of::<T>()) == size_of::<T>() as isize
        };
        moved.then_some(value)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: both are ours.
        unsafe {
            libc::close(self.read);
            libc::close(self.write);
        }
    }
}
