//! The guest's environment: `--env K=V` and `--env-inherit NAME`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Result, usage};

/// The guest's environment, in the order in which the names first came. Nothing comes from the host unasked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment(Vec<(Vec<u8>, Vec<u8>)>);

impl Environment {
    /// Sets a variable; a later value takes the place of an earlier one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.0.push((name.to_vec(), value.to_vec())),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|(name, _)| name.as_slice())
    }

    /// Adds what the options ask for: first the inherited variables, then the set ones, which win. A variable that the host
    /// does not have is not there for the guest either.
    ///
    /// # Errors
    /// The option without `=` or without a name.
    pub fn add(&mut self, inherit: &[OsString], set: &[OsString], host: impl Fn(&OsStr) -> Option<OsString>) -> Result<()> {
        for name in inherit {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(usage!("--env-inherit {}: not the name of a variable", name.display()));
            }
            if let Some(value) = host(name) {
                self.set(name.as_bytes(), value.as_bytes());
            }
        }
        for pair in set {
            let bytes = pair.as_bytes();
            match bytes.iter().position(|&b| b == b'=') {
                Some(0) => return Err(usage!("--env {}: the name is missing", pair.display())),
                Some(at) => self.set(&bytes[..at], &bytes[at + 1..]),
                None => {
                    let pair = pair.display();
                    return Err(usage!("--env {pair}: needs K=V; to hand on the host's value use --env-inherit {pair}"));
                }
            }
        }
        Ok(())
    }

    /// `K=V` of each.
    #[must_use]
    pub fn pairs(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|(name, value)| [name, b"=".as_slice(), value].concat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<OsString> {
        list.iter().map(OsString::from).collect()
    }

    fn host(name: &OsStr) -> Option<OsString> {
        (name == "TERM").then(|| "xterm".into())
    }

    #[test]
    fn set_wins_over_inherited_and_later_over_earlier() {
        let mut env = Environment::default();
        env.set(b"HOME", b"/");
        env.add(&strings(&["TERM", "MISSING"]), &strings(&["A=1", "B=x=y", "A=2", "E="]), host).unwrap();
        assert_eq!(env.pairs(), [&b"HOME=/"[..], b"TERM=xterm", b"A=2", b"B=x=y", b"E="]);
        env.add(&[], &strings(&["TERM=dumb", "HOME=/home"]), host).unwrap();
        assert_eq!(env.get(b"TERM"), Some(&b"dumb"[..]));
        assert_eq!(env.pairs()[0], b"HOME=/home");
        assert_eq!(env.get(b"MISSING"), None);
    }

    #[test]
    fn malformed_ones_are_named() {
        let mut env = Environment::default();
        for (inherit, set, part) in [
            (&[][..], &["A"][..], "--env A: needs K=V"),
            (&[], &["=x"], "--env =x: the name is missing"),
            (&["A=1"], &[], "--env-inherit A=1: not the name"),
            (&[""], &[], "not the name"),
        ] {
            let text = env.add(&strings(inherit), &strings(set), host).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        }
    }
}
