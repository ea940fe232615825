//! `--fault`: what goes wrong in a layer, on purpose.

use std::time::Duration;

use stratafs::Errno;
use stratafs::faultfs::{Call, Fault, Plan, Rule, When};

use crate::error::{Result, usage};
use crate::layers::{GuestPath, LayerSpec};
use crate::limits::parse_size;

/// The longest that one call is held up: a `--timeout` is not noticed meanwhile.
const SLOWEST: Duration = Duration::from_secs(1);

/// The faults of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    /// Where the layer stands.
    pub guest: GuestPath,
    /// What goes wrong there.
    pub plan: Plan,
}

impl FaultSpec {
    /// Reads `RULE[,RULE…][::GUEST]`.
    ///
    /// # Errors
    /// The option, and which part of it is wrong; a place where none of `layers` stands.
    pub fn parse(option: &str, layers: &[LayerSpec]) -> Result<Self> {
        let spec = Self::read(option).map_err(|why| usage!("--fault {option}: {why}"))?;
        if spec.guest.is_root() || layers.iter().any(|layer| layer.guest == spec.guest) {
            return Ok(spec);
        }
        Err(usage!(
            "--fault {option}: no layer is at {}: put one there with --dir, --dir-rw, --overlay, --zip or --mem",
            spec.guest
        ))
    }

    fn read(option: &str) -> std::result::Result<Self, String> {
        let (rules, guest) = option.rsplit_once("::").unwrap_or((option, "/"));
        let guest = GuestPath::new(guest.as_bytes())?;
        let mut plan = Plan::default();
        let (mut seed, mut full) = (None, None);
        for rule in rules.split(',').map(str::trim) {
            let (what, value) =
                rule.split_once('=').ok_or_else(|| format!("`{rule}` is not CALL[@WHEN]=FAULT, full=BYTES or seed=NUMBER"))?;
            match what {
                "seed" => once(&mut seed, "seed", number(value)?)?,
                "full" => once(&mut full, "full", parse_size(value).map_err(|why| format!("`{value}` {why}"))?)?,
                _ => plan.rules.push(read_rule(what, value)?),
            }
        }
        (plan.seed, plan.full) = (seed.unwrap_or(0), full);
        Ok(FaultSpec { guest, plan })
    }
}

fn once(slot: &mut Option<u64>, name: &str, value: u64) -> std::result::Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` is given twice")),
    }
}

/// `CALL[@WHEN]` and `FAULT`.
fn read_rule(what: &str, value: &str) -> std::result::Result<Rule, String> {
    let (name, when) = what.split_once('@').map_or((what, None), |(name, when)| (name, Some(when)));
    let call = match name {
        "any" => None,
        _ => Some(Call::ALL.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown_call(name))?.1),
    };
    let when = when.map_or(Ok(When::OneIn(1)), read_when)?;
    let fault = read_fault(value)?;
    if fault == Fault::Short && !matches!(call, None | Some(Call::Read | Call::Write)) {
        return Err(format!("`{name}` cannot come short: only read and write can"));
    }
    Ok(Rule { call, when, fault })
}

fn unknown_call(name: &str) -> String {
    let known: Vec<_> = Call::ALL.iter().map(|(name, _)| *name).collect();
    format!("there is no call `{name}`; known are any, {}", known.join(", "))
}

/// `N`, or `1inN`.
fn read_when(when: &str) -> std::result::Result<When, String> {
    let say = |_| format!("`@{when}` is neither the number of a call, from 1, nor 1inN");
    let count = |text: &str| number(text).and_then(|n| if n == 0 { Err(String::new()) } else { Ok(n) }).map_err(say);
    when.strip_prefix("1in").map_or_else(|| count(when).map(When::Nth), |n| count(n).map(When::OneIn))
}

/// `short`, the name of an error, or a time.
fn read_fault(value: &str) -> std::result::Result<Fault, String> {
    if value == "short" {
        return Ok(Fault::Short);
    }
    if let Some(&errno) = Errno::ALL.iter().find(|errno| errno.name() == value) {
        return Ok(Fault::Error(errno));
    }
    let unknown = || format!("`{value}` is not the name of an error such as EIO, nor `short`, nor a time such as 5ms");
    let (digits, unit) = if let Some(digits) = value.strip_suffix("ms") {
        (digits, 1)
    } else {
        (value.strip_suffix('s').ok_or_else(unknown)?, 1000)
    };
    let time = Duration::from_millis(number(digits).map_err(|_| unknown())?.saturating_mul(unit));
    if time > SLOWEST {
        Err(format!("`{value}`: a call is held up for {} ms at most", SLOWEST.as_millis()))
    } else {
        Ok(Fault::Slow(time))
    }
}

fn number(text: &str) -> std::result::Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| format!("`{text}` is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<LayerSpec> {
        let guest = GuestPath::new(b"/data").unwrap();
        vec![LayerSpec { guest, source: crate::layers::Source::Memory, given: "--mem /data".into() }]
    }

    fn parsed(option: &str) -> FaultSpec {
        FaultSpec::parse(option, &layers()).unwrap()
    }

    #[test]
    fn rules_places_and_the_rest() {
        let one = parsed("write@3=ENOSPC");
        let rule = Rule { call: Some(Call::Write), when: When::Nth(3), fault: Fault::Error(Errno::ENOSPC) };
        assert_eq!(one, FaultSpec { guest: GuestPath::new(b"/").unwrap(), plan: Plan { rules: vec![rule], ..Plan::default() } });
        let many = parsed("read@1in3=short, any@1in10=5ms,open=EIO,full=64K,seed=7::/data/");
        assert_eq!(many.guest.as_bytes(), b"/data");
        assert_eq!((many.plan.seed, many.plan.full), (7, Some(65_536)));
        let rules = [
            Rule { call: Some(Call::Read), when: When::OneIn(3), fault: Fault::Short },
            Rule { call: None, when: When::OneIn(10), fault: Fault::Slow(Duration::from_millis(5)) },
            Rule { call: Some(Call::Open), when: When::OneIn(1), fault: Fault::Error(Errno::EIO) },
        ];
        assert_eq!(many.plan.rules, rules);
        assert_eq!(parsed("sync=1s").plan.rules[0].fault, Fault::Slow(Duration::from_secs(1)));
        for (name, call) in Call::ALL {
            assert_eq!(parsed(&format!("{name}@1=EPERM")).plan.rules[0].call, Some(call));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (option, part) in [
            ("", "`` is not CALL[@WHEN]=FAULT"),
            ("write", "`write` is not CALL[@WHEN]=FAULT"),
            ("write@3=", "`` is not the name of an error"),
            ("write@3=ENOTHING", "`ENOTHING` is not the name of an error"),
            ("write@3=eio", "`eio` is not the name of an error"),
            ("wrote@3=EIO", "there is no call `wrote`; known are any, lookup, "),
            ("write@0=EIO", "`@0` is neither"),
            ("write@=EIO", "`@` is neither"),
            ("write@1in=EIO", "`@1in` is neither"),
            ("write@2in3=EIO", "`@2in3` is neither"),
            ("write@-1=EIO", "`@-1` is neither"),
            ("write@18446744073709551616=EIO", "is neither"),
            ("open=short", "`open` cannot come short"),
            ("open=2s", "`2s`: a call is held up for 1000 ms at most"),
            ("open=s", "`s` is not the name of an error"),
            ("full=lots", "`lots` is not a whole number"),
            ("full=1,full=2", "`full` is given twice"),
            ("seed=-1", "`-1` is not a whole number"),
            ("write=EIO,", "`` is not CALL"),
            ("write=EIO::data", "the guest path `data` is not absolute"),
            ("write=EIO::/../x", "must not contain `..`"),
            ("write=EIO::/elsewhere", "no layer is at /elsewhere"),
            ("write=EIO::/data/below", "no layer is at /data/below"),
        ] {
            let text = FaultSpec::parse(option, &layers()).unwrap_err().to_string();
            assert!(text.starts_with(&format!("--fault {option}: ")) && text.contains(part), "{option}: {text}");
        }
    }
}
