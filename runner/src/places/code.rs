//! Calls and jumps by which a library's code leaves it, read from its instructions: through the procedure linkage table, through slots of
//! the global offset table (`-fno-plt`, Rust), and through registers that were loaded with such a slot.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gimli::{BaseAddresses, EhFrame, RunTimeEndian, UnwindSection};
use iced_x86::{
    ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use super::functions::{does, is_allocator_of_language};
use super::slots::Slots;
use crate::symbols::readable;

/// An instruction that leads out of the library, or loads what does, by a distance of four bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Where the distance stands.
    pub(super) at: u64,
    /// What it counts from.
    pub(super) end: u64,
    /// What it is.
    pub(super) distance: i32,
    /// Whether it leads to a slot, and not to code.
    pub(super) is_slot: bool,
    /// Whether several calls go by it, which are told apart by where they return to.
    pub(super) is_shared: bool,
    /// The addresses behind its calls, with which they are known.
    pub(super) calls: Vec<u64>,
}

impl Way {
    fn target(&self) -> u64 {
        self.end.wrapping_add_signed(self.distance.into())
    }
}

/// The calls of a library that are of interest.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The functions that are called, by the addresses behind the calls.
    pub(super) callees: BTreeMap<u64, String>,
    /// How they are led there.
    pub(super) ways: Vec<Way>,
    /// Those at which it cannot be seen whether they were reached: jumps through a register, and jumps that reach only a few bytes far.
    pub(super) unseen: BTreeSet<u64>,
    /// Calls and jumps through pointers: where they lead to is not known.
    pub(super) through_pointers: usize,
    /// Functions whose address is taken where it is not seen what is called with it, with how often: handed to somebody, or in a table.
    pub(super) handed: BTreeMap<String, usize>,
    /// Where the ways of the function begin that is being read.
    own: usize,
    /// Instructions that take the address of a function of interest, by where the distance stands; and those of them that are followed.
    takes: BTreeMap<u64, String>,
    followed: BTreeSet<u64>,
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is none that the dynamic linker loads.
    #[error("it is no shared library")]
    NoLibrary,
    /// It is for other processors.
    #[error("it is not for x86_64")]
    Architecture,
    /// Nothing says where its instructions are.
    #[error("it has lost its table of sections")]
    NoSections,
}

/// Reads the calls of a library's file.
pub(super) fn calls(bytes: &[u8]) -> Result<Calls, Unread> {
    let file = object::File::parse(bytes).map_err(|_| Unread::NoLibrary)?;
    if file.architecture() != Architecture::X86_64 {
        return Err(Unread::Architecture);
    }
    let code = Code::of(&file);
    if code.sections.is_empty() {
        return Err(Unread::NoSections);
    }
    let mut calls = Calls::default();
    for (start, end) in code.functions(&file) {
        code.function(start, end, &mut calls);
    }
    code.tables(&mut calls);
    Ok(calls)
}

/// Sections with instructions that are read at most. A library has half a dozen.
const SECTIONS: usize = 64;

/// What of a file is needed to read its instructions.
struct Code<'a> {
    /// Sections with instructions: where they begin, their bytes, and whether they are stubs of the procedure linkage table.
    sections: Vec<(u64, &'a [u8], bool)>,
    /// The slots that lead to functions.
    slots: Slots,
    /// Functions of the library itself by which its language allocates and gives back.
    own: HashMap<u64, String>,
}

impl<'a> Code<'a> {
    fn of(file: &object::File<'a>) -> Self {
        let is_code = |section: &object::Section| section.kind() == SectionKind::Text && section.size() > 0;
        let sections = file.sections().filter(is_code).take(SECTIONS).filter_map(|section| {
            let is_stubs = section.name().is_ok_and(|name| name.starts_with(".plt"));
            Some((section.address(), section.data().ok()?, is_stubs))
        });
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let own = functions.filter_map(|symbol| {
            let name = readable(symbol.name().ok().filter(|name| name.contains("__rust_"))?);
            is_allocator_of_language(&name).then_some((symbol.address(), name))
        });
        let own: HashMap<u64, String> = own.collect();
        Code { sections: sections.collect(), slots: Slots::of(file, &own, is_of_interest), own }
    }

    /// Where functions begin and end: by the tables for unwinding, which stay in a file that was stripped, and by symbols.
    fn functions(&self, file: &object::File<'a>) -> Vec<(u64, u64)> {
        let mut starts: BTreeSet<u64> = unwound(file).unwrap_or_default();
        let symbols = file.symbols().chain(file.dynamic_symbols());
        starts.extend(symbols.filter(|symbol| symbol.kind() == SymbolKind::Text).map(|symbol| symbol.address()));
        let mut functions = Vec::new();
        for &(start, bytes, _) in self.sections.iter().filter(|(.., is_stubs)| !is_stubs) {
            let end = start.saturating_add(bytes.len() as u64);
            let inner = starts.range(start..end).copied().filter(|&inner| inner != start);
            let begins: Vec<u64> = std::iter::once(start).chain(inner).collect();
            let ends = begins.iter().skip(1).copied().chain([end]);
            functions.extend(begins.iter().copied().zip(ends));
        }
        functions
    }

    /// The bytes at an address, to the end of their section, and whether they are stubs.
    fn at(&self, address: u64) -> Option<(&'a [u8], bool)> {
        self.sections.iter().find_map(|&(start, bytes, is_stubs)| {
            let inside = usize::try_from(address.checked_sub(start)?).ok()?;
            Some((bytes.get(inside..).filter(|rest| !rest.is_empty())?, is_stubs))
        })
    }

    /// The function that code at an address leads to: a stub, or one of the language's own.
    fn callee_at(&self, address: u64) -> Option<&str> {
        /// Instructions of a stub up to its jump: `endbr64`, and the jump.
        const STUB: usize = 3;
        if let Some(own) = self.own.get(&address) {
            return Some(own);
        }
        let (bytes, is_stubs) = self.at(address)?;
        if !is_stubs {
            return None;
        }
        let decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let jump =
            decoder.into_iter().take(STUB).find(|instruction| instruction.flow_control() != FlowControl::Next)?;
        self.callee_through(&jump)
    }

    /// The function in the slot that an instruction refers to.
    fn callee_through(&self, instruction: &Instruction) -> Option<&str> {
        let is_slot = instruction.is_ip_rel_memory_operand();
        self.slots.holds(instruction.ip_rel_memory_address()).filter(|_| is_slot)
    }

    /// The function of interest whose address an instruction takes, without calling it.
    fn taken_by(&self, instruction: &Instruction) -> Option<&str> {
        let address = instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address())?;
        match instruction.mnemonic() {
            Mnemonic::Lea => self.callee_at(address).filter(|name| is_of_interest(name)),
            _ => self.slots.in_table(address),
        }
    }

    /// The register by which a function jumps that stands for a jump through a pointer (`-mindirect-branch=thunk`): it puts the
    /// register's value in the place of its own return address.
    fn thunk_at(&self, address: u64) -> Option<Register> {
        /// Instructions up to that.
        const LENGTH: usize = 8;
        let (bytes, _) = self.at(address)?;
        let mut instructions = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).into_iter().take(LENGTH);
        instructions.next().filter(|first| first.flow_control() == FlowControl::Call)?;
        let mut given = None;
        for instruction in instructions {
            if let (Some(register), FlowControl::Return) = (given, instruction.flow_control()) {
                return Some(register);
            }
            given = given_as_return_address(&instruction);
        }
        None
    }

    /// Tells of the addresses that are taken and not followed.
    fn tables(&self, calls: &mut Calls) {
        let led: HashSet<u64> = calls.ways.iter().map(Way::target).collect();
        calls.handed = self.slots.in_data(|slot| led.contains(&slot));
        for (at, name) in std::mem::take(&mut calls.takes) {
            if !calls.followed.contains(&at) {
                *calls.handed.entry(name).or_default() += 1;
            }
        }
    }

    fn function(&self, start: u64, end: u64, calls: &mut Calls) {
        let Some((bytes, _)) = self.at(start) else { return };
        calls.own = calls.ways.len();
        let bytes = &bytes[..bytes.len().min((end - start) as usize)];
        let decoder = || Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
        let jumped_to: HashSet<u64> =
            decoder().into_iter().filter(is_near).map(|jump| jump.near_branch_target()).collect();
        let mut decoder = decoder();
        let (mut info, mut registers) = (InstructionInfoFactory::new(), Registers::default());
        let mut instruction = Instruction::default();
        let (mut is_thunk, mut given) = (self.thunk_at(start).is_some(), None);
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                continue;
            }
            let is_jumped_to = jumped_to.contains(&instruction.ip());
            if is_jumped_to {
                registers.forget_recent(false);
            }
            // A jump that is compiled as a return, but for that of a thunk that is called.
            match instruction.flow_control() {
                FlowControl::Call if is_jumped_to => is_thunk |= self.thunk_at(instruction.ip()).is_some(),
                FlowControl::Return => {
                    calls.through_pointers += usize::from(given.is_some() && !is_thunk);
                    is_thunk = false;
                }
                _ => {}
            }
            given = given_as_return_address(&instruction);
            let offsets = decoder.get_constant_offsets(&instruction);
            self.instruction(&instruction, offsets, &mut info, &mut registers, calls);
        }
        registers.end(calls);
    }

    fn instruction(
        &self,
        instruction: &Instruction,
        offsets: ConstantOffsets,
        info: &mut InstructionInfoFactory,
        registers: &mut Registers,
        calls: &mut Calls,
    ) {
        let flow = instruction.flow_control();
        match flow {
            FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
                if is_near(instruction) =>
            {
                let target = instruction.near_branch_target();
                match self.callee_at(target) {
                    Some(callee) if !is_of_interest(callee) => {}
                    Some(callee) if offsets.immediate_size() == 4 => {
                        calls.adds(instruction, offsets.immediate_offset(), false, callee);
                    }
                    Some(callee) => calls.adds_unseen(instruction.next_ip(), callee),
                    None => {
                        if let Some(register) = self.thunk_at(target) {
                            registers.leads(register, instruction.next_ip(), flow == FlowControl::Call, calls);
                        }
                    }
                }
            }
            FlowControl::IndirectCall | FlowControl::IndirectBranch => match instruction.op0_kind() {
                OpKind::Memory => match self.callee_through(instruction) {
                    Some(callee) if is_of_interest(callee) => {
                        calls.adds(instruction, offsets.displacement_offset(), true, callee);
                    }
                    Some(_) => {}
                    None => calls.through_pointers += 1,
                },
                _ => {
                    let register = instruction.op0_register().full_register();
                    registers.leads(register, instruction.next_ip(), flow == FlowControl::IndirectCall, calls);
                }
            },
            _ => {
                if let Some(callee) = self.taken_by(instruction) {
                    calls.takes.insert(instruction.ip() + offsets.displacement_offset() as u64, callee.to_owned());
                }
            }
        }
        let loaded = (instruction.mnemonic() == Mnemonic::Mov && instruction.op0_kind() == OpKind::Register)
            .then(|| self.callee_through(instruction))
            .flatten();
        let loaded = loaded.map(|callee| Load {
            at: instruction.ip() + offsets.displacement_offset() as u64,
            end: instruction.next_ip(),
            distance: distance(instruction.next_ip(), instruction.ip_rel_memory_address()),
            callee: callee.to_owned(),
        });
        for used in info.info(instruction).used_registers() {
            let is_written =
                !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
            // At its end a function takes its caller's back.
            if is_written && instruction.mnemonic() != Mnemonic::Pop {
                registers.is_written(used.register().full_register(), loaded.as_ref(), instruction);
            }
        }
        if !matches!(flow, FlowControl::Next | FlowControl::ConditionalBranch) {
            registers.forget_recent(matches!(flow, FlowControl::Call | FlowControl::IndirectCall));
        }
    }
}

/// A load of a function's address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Load {
    at: u64,
    end: u64,
    distance: i32,
    callee: String,
}

/// What the registers of a function are loaded with, and where they are called. One that calls leave alone and that is only ever loaded
/// with one slot leads where that does, however the function gets there; of the others only what was loaded before in the same stretch counts.
#[derive(Default)]
struct Registers {
    loads: HashMap<Register, Vec<Load>>,
    others: HashSet<Register>,
    /// Loaded since the function came to a place that is jumped to, and not written to by what it has called.
    recent: HashMap<Register, Load>,
    /// Those that hold what the table of a switch says, and what that is added to: where it jumps to.
    of_tables: HashSet<Register>,
    of_switches: HashSet<Register>,
    called: Vec<(Register, u64, bool)>,
}

impl Registers {
    fn is_written(&mut self, register: Register, loaded: Option<&Load>, by: &Instruction) {
        let is_entry = by.op1_kind() == OpKind::Memory && by.memory_index() != Register::None;
        let takes_one = |operand: Register| self.of_tables.contains(&operand.full_register());
        let is_of_table = is_entry || by.mnemonic() == Mnemonic::Cdqe && takes_one(Register::RAX);
        let is_of_switch = by.mnemonic() == Mnemonic::Add
            && (is_entry || takes_one(by.op0_register()) || takes_one(by.op1_register()));
        for (of, is) in [(&mut self.of_tables, is_of_table), (&mut self.of_switches, is_of_switch)] {
            if is {
                of.insert(register)
            } else {
                of.remove(&register)
            };
        }
        match loaded {
            Some(load) => {
                self.loads.entry(register).or_default().push(load.clone());
                self.recent.insert(register, load.clone());
            }
            None => {
                self.others.insert(register);
                self.recent.remove(&register);
            }
        }
    }

    /// A call or a jump through a register; `behind` it that address.
    fn leads(&mut self, register: Register, behind: u64, is_call: bool, calls: &mut Calls) {
        match self.recent.get(&register) {
            Some(load) => calls.adds_loaded(std::slice::from_ref(load), behind, is_call),
            None if !is_call && self.of_switches.contains(&register) => {}
            None => self.called.push((register, behind, is_call)),
        }
    }

    /// What was loaded before may have been loaded with something else on the way to here; a call leaves some as they are.
    fn forget_recent(&mut self, is_call: bool) {
        self.recent.retain(|&register, _| is_call && is_kept_by_calls(register));
    }

    fn end(self, calls: &mut Calls) {
        for (register, behind, is_call) in self.called {
            let is_known = is_kept_by_calls(register) && !self.others.contains(&register);
            let loads = self.loads.get(&register).filter(|_| is_known).map_or(&[][..], Vec::as_slice);
            match loads.first() {
                Some(first) if loads.iter().all(|load| load.callee == first.callee) => {
                    calls.adds_loaded(loads, behind, is_call);
                }
                _ => calls.through_pointers += 1,
            }
        }
    }
}

/// Whether a function finds a register as it was when one that it has called returns (psABI, "Register Usage").
fn is_kept_by_calls(register: Register) -> bool {
    use Register::{R12, R13, R14, R15, RBP, RBX};
    [RBX, RBP, R12, R13, R14, R15].contains(&register)
}

impl Calls {
    /// A call or a jump through a register that was loaded there.
    fn adds_loaded(&mut self, loads: &[Load], behind: u64, is_call: bool) {
        let Some(first) = loads.first().filter(|load| is_of_interest(&load.callee)) else { return };
        self.followed.extend(loads.iter().map(|load| load.at));
        if !is_call {
            return self.adds_unseen(behind, &first.callee);
        }
        self.callees.insert(behind, first.callee.clone());
        for &Load { at, end, distance, .. } in loads {
            match self.ways[self.own..].iter_mut().find(|way| way.at == at) {
                Some(way) => way.calls.push(behind),
                None => {
                    self.ways.push(Way { at, end, distance, is_slot: true, is_shared: true, calls: vec![behind] });
                }
            }
        }
    }

    /// One that cannot be looked at.
    fn adds_unseen(&mut self, behind: u64, callee: &str) {
        self.callees.insert(behind, callee.to_owned());
        self.unseen.insert(behind);
    }

    fn adds(&mut self, instruction: &Instruction, offset: usize, is_slot: bool, callee: &str) {
        let behind = instruction.next_ip();
        let target = if is_slot { instruction.ip_rel_memory_address() } else { instruction.near_branch_target() };
        let (at, distance) = (instruction.ip() + offset as u64, distance(behind, target));
        self.callees.insert(behind, callee.to_owned());
        self.ways.push(Way { at, end: behind, distance, is_slot, is_shared: false, calls: vec![behind] });
    }
}

fn is_of_interest(callee: &str) -> bool {
    does(callee).is_some() || is_allocator_of_language(callee)
}

/// The register whose value an instruction puts where a return address is.
fn given_as_return_address(instruction: &Instruction) -> Option<Register> {
    let is_top = instruction.memory_base() == Register::RSP && instruction.memory_displacement64() == 0;
    let is_given = instruction.mnemonic() == Mnemonic::Mov && instruction.op0_kind() == OpKind::Memory && is_top;
    (is_given && instruction.op1_kind() == OpKind::Register).then(|| instruction.op1_register().full_register())
}

fn is_near(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::NearBranch64
}

fn distance(end: u64, target: u64) -> i32 {
    target.wrapping_sub(end) as i32
}

/// Where functions begin by `.eh_frame`.
fn unwound(file: &object::File) -> Option<BTreeSet<u64>> {
    let section = file.section_by_name(".eh_frame")?;
    let data = section.data().ok()?;
    let mut frames = EhFrame::new(data, RunTimeEndian::Little);
    frames.set_address_size(8);
    let text = file.section_by_name(".text").map_or(0, |text| text.address());
    let bases = BaseAddresses::default().set_eh_frame(section.address()).set_text(text);
    let mut entries = frames.entries(&bases);
    let mut starts = BTreeSet::new();
    while let Ok(Some(entry)) = entries.next() {
        if let gimli::CieOrFde::Fde(partial) = entry {
            starts.extend(partial.parse(EhFrame::cie_from_offset).ok().map(|fde| fde.initial_address()));
        }
    }
    Some(starts)
}
