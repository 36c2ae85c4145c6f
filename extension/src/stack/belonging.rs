//! How loaded objects belong to the targets.

use memcheck_core::targets::Targets;

use crate::elf::Module;

/// How an object belongs to the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// It is a target.
    Target,
    /// It is a library that only targets need.
    Private,
    /// It is not the targets'.
    Not,
}

/// How each object belongs to these targets.
pub(crate) fn belonging(modules: &[Module], targets: &Targets) -> Vec<Belongs> {
    let is_target = |module: &Module| targets.include(module.library());
    let is_needed = |module: &Module| modules.iter().any(|other| other.needed.contains(&module.name));
    // Other libraries that nobody needs are loaded on their own account, as the executable is.
    let others = reach(modules, |module| module.is_executable() || (!is_needed(module) && !is_target(module)));
    let ours = reach(modules, is_target);
    let belongs = |(module, (ours, others))| match (ours, others) {
        _ if is_target(module) => Belongs::Target,
        (true, false) => Belongs::Private,
        _ => Belongs::Not,
    };
    modules.iter().zip(ours.into_iter().zip(others)).map(belongs).collect()
}

/// Which objects are needed, directly or not, by those that `starts` selects.
fn reach(modules: &[Module], starts: impl Fn(&Module) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = modules.iter().map(&starts).collect();
    let mut next: Vec<usize> = (0..modules.len()).filter(|&i| reached[i]).collect();
    while let Some(module) = next.pop() {
        for (i, other) in modules.iter().enumerate() {
            if !reached[i] && modules[module].needed.contains(&other.name) {
                reached[i] = true;
                next.push(i);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, needed: &[&str]) -> Module {
        Module {
            name: name.to_owned(),
            base: 0,
            code: 0..0,
            all: 0..0,
            loads: Vec::new(),
            writable: 0..0,
            unwind: None,
            relro: 0..0,
            build_id: String::new(),
            dynamic: 0,
            needed: needed.iter().map(|&name| name.to_owned()).collect(),
            unwinds: false,
            is_module: false,
        }
    }

    #[test]
    fn libraries_that_only_targets_need_belong_to_them() {
        let modules = [
            module("", &["libc", "libssl"]),
            module("libc", &["ld-linux-x86-64"]),
            module("libssl", &["libcrypto", "libc"]),
            module("libcrypto", &["libc"]),
            module("ld-linux-x86-64", &[]),
            module("pg_ext_memcheck", &["libc", "libgcc_s"]),
            module("mine", &["libgeo", "libcrypto", "libc"]),
            module("libgeo", &["libgeo_core", "libm"]),
            module("libgeo_core", &["libc"]),
            module("libm", &["libc"]),
            module("libgcc_s", &["libc"]),
            module("other", &["libm"]),
        ];
        let named = |wanted: Belongs| -> Vec<&str> {
            let all = belonging(&modules, &Targets::new("mine"));
            modules.iter().zip(all).filter(|(_, b)| *b == wanted).map(|(m, _)| m.name.as_str()).collect()
        };
        assert_eq!(named(Belongs::Target), ["mine"]);
        assert_eq!(named(Belongs::Private), ["libgeo", "libgeo_core"]);
    }
}
