//! Reading DWARF that may be anything: a library of a few kilobytes can say of itself what takes hours to go through, or what calls
//! itself until the stack is full. Each read is counted, and refused once there were too many or when it is made from too deep a
//! call; a refusal is an error of the file like any other.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use gimli::{DwForm, EndianRcSlice, Error, Reader, ReaderOffsetId, Result, RunTimeEndian, SectionId, constants};

/// Bytes of stack that calls of the reading library may take.
const STACK: usize = 256 << 10;

/// What a file may still take.
#[derive(Debug)]
pub(super) struct Meter {
    reads: Cell<u64>,
    /// Where the stack was when reading began.
    stack: Cell<usize>,
}

impl Meter {
    /// Allows what an honest file of so many bytes takes, several times.
    pub(super) fn new(bytes: usize) -> Rc<Self> {
        let reads = (bytes as u64).saturating_mul(4).clamp(1 << 18, 64 << 20);
        Rc::new(Meter { reads: Cell::new(reads), stack: Cell::new(0) })
    }

    /// Says that reading begins here.
    pub(super) fn begin(&self) {
        self.stack.set(depth());
    }

    fn charge(&self, reads: usize) -> Result<()> {
        let left = self.reads.get().saturating_sub(1 + reads as u64);
        self.reads.set(left);
        if left == 0 || depth().abs_diff(self.stack.get()) > STACK {
            return Err(Error::UnexpectedEof(ReaderOffsetId(0)));
        }
        Ok(())
    }
}

/// About where the stack is.
#[inline(never)]
fn depth() -> usize {
    let here = 0u8;
    std::ptr::from_ref(&here).addr()
}

/// A part of a section.
#[derive(Debug, Clone)]
pub(super) struct Metered {
    part: EndianRcSlice<RunTimeEndian>,
    section: SectionId,
    meter: Rc<Meter>,
}

impl Metered {
    pub(super) fn new(bytes: &[u8], endian: RunTimeEndian, section: SectionId, meter: &Rc<Meter>) -> Self {
        Metered { part: EndianRcSlice::new(Rc::from(bytes), endian), section, meter: Rc::clone(meter) }
    }
}

impl Reader for Metered {
    type Endian = RunTimeEndian;
    type Offset = usize;

    fn endian(&self) -> RunTimeEndian {
        self.part.endian()
    }

    fn len(&self) -> usize {
        self.part.len()
    }

    fn empty(&mut self) {
        self.part.empty();
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.meter.charge(0)?;
        self.part.truncate(len)
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.part.offset_from(&base.part)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.part.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.part.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let found = self.part.find(byte);
        self.meter.charge(*found.as_ref().unwrap_or(&self.part.len()) / 16)?;
        found
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.meter.charge(0)?;
        self.part.skip(len)
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        self.meter.charge(0)?;
        Ok(Metered { part: self.part.split(len)?, section: self.section, meter: Rc::clone(&self.meter) })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.meter.charge(self.part.len() / 16)?;
        self.part.to_slice()
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.meter.charge(self.part.len() / 16)?;
        Reader::to_string(&self.part)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.meter.charge(self.part.len() / 16)?;
        self.part.to_string_lossy()
    }

    fn read_slice(&mut self, buf: &mut [u8]) -> Result<()> {
        self.meter.charge(0)?;
        self.part.read_slice(buf)
    }

    /// In a line program these are forms. One that takes no bytes could stand for any number of files, read in no time and from
    /// nothing.
    fn read_uleb128_u16(&mut self) -> Result<u16> {
        let value = gimli::leb128::read::u16(self)?;
        let takes_nothing =
            [constants::DW_FORM_flag_present, constants::DW_FORM_implicit_const].contains(&DwForm(value));
        if self.section == SectionId::DebugLine && takes_nothing {
            return Err(Error::UnknownForm(DwForm(value)));
        }
        Ok(value)
    }
}
