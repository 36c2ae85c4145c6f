//! Libraries, whoever has built them.

use mcspec::places::Library;
use mcspec::symbols::ObjectFile;

/// A library's symbols and debug information: the whole file, looked up at the addresses that its last bytes say; and its instructions.
pub fn symbols(data: &[u8]) {
    let _ = Library::parse("fuzzed", data);
    let Some(file) = ObjectFile::parse(data, "") else { return };
    let own = data.rchunks_exact(8).take(4).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
    for address in own.chain([0, 1, 0x1000, 0x1100, 0x1140, u64::MAX]) {
        file.calls(address);
    }
}
