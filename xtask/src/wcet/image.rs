//! A linked program: its functions, and their instructions.

use std::collections::BTreeMap;
use std::path::Path;

use object::{
    Architecture, Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationTarget, SectionKind,
    SymbolKind,
};

use super::instruction::{Flow, Instruction};
use super::{arm, x86};
use crate::failure::Failure;

/// A program, taken apart.
pub struct Image {
    architecture: Architecture,
    /// Machine code, with the address of each stretch.
    code: Vec<(u64, Vec<u8>)>,
    /// Functions by address, the same code under one of its names.
    functions: BTreeMap<u64, Function>,
    /// Where data lies between the instructions of Arm's processors, and where it ends.
    data: BTreeMap<u64, bool>,
    decoded: BTreeMap<u64, Instruction>,
    /// The places that the loader fills in before the program starts and makes unwritable: what they lead to.
    links: BTreeMap<u64, u64>,
    /// Those that it fills in with what another library has.
    imports: BTreeMap<u64, String>,
}

/// A function, as the linker knows it.
#[derive(Clone, Debug)]
pub struct Function {
    /// Where it begins.
    pub address: u64,
    /// Where it ends.
    pub end: u64,
    /// Its name, readable.
    pub name: String,
}

impl Image {
    /// Reads a program.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file cannot be read, is no program, or none for a known processor.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
        let file = object::File::parse(&*bytes).map_err(|error| Failure::file(path, error))?;
        let architecture = file.architecture();
        let mut image = Image {
            architecture,
            code: Vec::new(),
            functions: BTreeMap::new(),
            data: BTreeMap::new(),
            decoded: BTreeMap::new(),
            links: BTreeMap::new(),
            imports: BTreeMap::new(),
        };
        for (place, relocation) in file.dynamic_relocations().into_iter().flatten() {
            match relocation.target() {
                RelocationTarget::Absolute => {
                    image.links.insert(place, relocation.addend().cast_unsigned());
                }
                RelocationTarget::Symbol(symbol) => {
                    let symbol =
                        file.dynamic_symbol_table().and_then(|table| table.symbol_by_index(symbol).ok());
                    let name = symbol.and_then(|symbol| symbol.name().map(str::to_owned).ok());
                    image.imports.insert(place, name.unwrap_or_default());
                }
                _ => {}
            }
        }
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            let bytes = section.data().map_err(|error| Failure::file(path, error))?;
            image.code.push((section.address(), bytes.to_vec()));
        }
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            // The lowest bit says that it is Thumb.
            let thumb = if architecture == Architecture::Arm { 1 } else { 0 };
            let address = symbol.address() & !thumb;
            match name.get(..2) {
                Some("$t" | "$x" | "$a") => drop(image.data.insert(address, false)),
                Some("$d") => drop(image.data.insert(address, true)),
                _ if symbol.kind() == SymbolKind::Text && symbol.size() > 0 => {
                    let name = format!("{:#}", rustc_demangle::demangle(name));
                    let function = Function { address, end: address + symbol.size(), name };
                    // Of several names for the same code, an operation's is the one that counts.
                    let known = image.functions.entry(address).or_insert_with(|| function.clone());
                    if function.name.starts_with(super::PREFIX) {
                        *known = function;
                    }
                }
                _ => {}
            }
        }
        match architecture {
            Architecture::X86_64 | Architecture::Aarch64 | Architecture::Arm => Ok(image),
            other => Err(Failure::file(path, format!("code for {other:?} is not understood"))),
        }
    }

    /// All names that begin like this, with the address of each.
    ///
    /// # Errors
    ///
    /// As [`Image::read`].
    pub fn named(path: &Path, prefix: &str) -> Result<BTreeMap<String, u64>, Failure> {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
        let file = object::File::parse(&*bytes).map_err(|error| Failure::file(path, error))?;
        let thumb = if file.architecture() == Architecture::Arm { 1 } else { 0 };
        Ok(file
            .symbols()
            .filter_map(|symbol| {
                Some((symbol.name().ok()?.strip_prefix(prefix)?.to_owned(), symbol.address() & !thumb))
            })
            .collect())
    }

    /// The function that has this address in it.
    pub fn function_at(&self, address: u64) -> Option<&Function> {
        let (_, function) = self.functions.range(..=address).next_back()?;
        (address < function.end).then_some(function)
    }

    /// What an address is called, if it has a name.
    pub fn name(&self, address: u64) -> Option<&str> {
        let function = self.function_at(address).map(|function| function.name.as_str());
        function.or_else(|| self.imports.get(&address).map(String::as_str))
    }

    /// How much a call takes of the stack by itself, in bytes.
    pub fn call_bytes(&self) -> i64 {
        if self.architecture == Architecture::X86_64 { 8 } else { 0 }
    }

    /// How many bits a word has.
    pub fn word_bits(&self) -> u64 {
        if self.architecture == Architecture::Arm { 32 } else { 64 }
    }

    /// The instruction at an address.
    pub fn instruction(&mut self, address: u64) -> Instruction {
        if let Some(known) = self.decoded.get(&address) {
            return *known;
        }
        let decoded = self.decode(address);
        self.decoded.extend(decoded);
        let nothing =
            Instruction { flow: Flow::Undecodable, ..Instruction::plain(address, address.wrapping_add(1)) };
        *self.decoded.entry(address).or_insert(nothing)
    }

    /// The bytes from an address on, to the end of its section.
    fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.code.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        })
    }

    fn decode(&self, address: u64) -> BTreeMap<u64, Instruction> {
        if self.architecture == Architecture::X86_64 {
            let Some(bytes) = self.bytes(address) else { return BTreeMap::new() };
            let linked = |place| {
                let target = self.links.get(&place).copied();
                target.or_else(|| self.imports.contains_key(&place).then_some(place))
            };
            return BTreeMap::from([(address, x86::decode(bytes, address, linked))]);
        }
        // The whole function; what is data in it ends the stretch.
        let Some(function) = self.function_at(address) else { return BTreeMap::new() };
        let mut all = BTreeMap::new();
        let mut start = function.address;
        let is_data = |at: u64| self.data.range(..=at).next_back().is_some_and(|(_, data)| *data);
        while start < function.end {
            let next = self.data.range(start + 1..).next().map_or(function.end, |(at, _)| *at);
            let end = next.min(function.end);
            if let (false, Some(bytes)) = (is_data(start), self.bytes(start)) {
                let length = usize::try_from(end - start).unwrap_or(0).min(bytes.len());
                let decoded = if self.architecture == Architecture::Arm {
                    arm::decode_t32(&bytes[..length], start)
                } else {
                    arm::decode_a64(&bytes[..length], start)
                };
                all.extend(decoded.unwrap_or_default());
            }
            start = end;
        }
        all
    }
}
