//! Time zones: what `TZ` means, and what clocks there show.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use stratafs::{Errno, Result};

use super::calendar::Tm;

/// The zone database that the library brings along: what a guest sees does not depend on the host.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Seconds in 400 years, after which dates, weekdays and every rule of summer time repeat.
const CYCLE: i64 = 146_097 * 86_400;
/// Times from here on, for one cycle, are looked up one or more cycles earlier: 9000-01-01.
const LATE: i64 = 221_845_392_000;
/// Times before this one, for one cycle, are looked up later: −9000-01-01.
const EARLY: i64 = -346_179_744_000;
/// How far off `mktime` looks for another offset, about seven years, as glibc does.
const NEARBY: i64 = 229_222_804;

/// The rules of `TZ=EST5EDT` and the like, which name no days.
const USUAL_RULES: &str = ",M3.2.0,M11.1.0";

/// A time zone.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

/// What clocks show at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Seconds east of UTC.
    pub offset: i32,
    /// Whether it is summer time.
    pub dst: bool,
    /// The name of this time.
    pub name: String,
}

impl Zone {
    /// The zone that `TZ` names: one of the zone database, with or without a colon or the path of a zone file before it, or POSIX's rules.
    /// Without a `TZ`, or an empty one, it is UTC, and so it is for a name that means nothing, whose letters the time is then called by, as
    /// under glibc.
    #[must_use]
    pub fn of(tz: Option<&[u8]>) -> Self {
        let tz = tz.and_then(|tz| std::str::from_utf8(tz).ok()).unwrap_or_default();
        let tz = tz.strip_prefix(':').unwrap_or(tz);
        let name = tz.rsplit_once("zoneinfo/").map_or(tz, |(_, name)| name);
        if name.is_empty() {
            return Zone(TimeZone::UTC);
        }
        // The database does not tell upper from lower case; file systems do.
        let named = || DATABASE.get(name).ok().filter(|zone| zone.iana_name() == Some(name));
        let usual = || TimeZone::posix(&[tz, USUAL_RULES].concat()).ok();
        let letters = tz.find(|c: char| !c.is_ascii_alphabetic()).map_or(tz, |end| tz.get(..end).unwrap_or_default());
        let unknown = || TimeZone::posix(&[letters, "0"].concat()).ok();
        Zone(named().or_else(|| TimeZone::posix(tz).ok()).or_else(usual).or_else(unknown).unwrap_or(TimeZone::UTC))
    }

    /// What clocks show at `time`.
    #[must_use]
    pub fn at(&self, time: i64) -> Shown {
        let info = self.0.to_offset_info(folded(time).1);
        Shown { offset: info.offset().seconds(), dst: info.dst().is_dst(), name: info.abbreviation().to_owned() }
    }

    /// The time at which clocks show what the fields say. Fields may be out of range; `isdst` chooses where clocks show it twice, and shifts
    /// by the difference where it says other than the clocks. Of two times that fit, or of none because clocks skip it, the offset before
    /// the change counts.
    ///
    /// # Errors
    /// `EOVERFLOW` for a year that does not fit.
    pub(crate) fn time_of(&self, tm: &Tm) -> Result<i64> {
        // Seconds beyond a minute go by, as under glibc: clocks may change in them.
        let sec = tm.sec.clamp(0, 59);
        let (cycles, civil) = folded(Tm { sec, ..*tm }.seconds());
        let clock = jiff::tz::Offset::UTC.to_datetime(civil);
        let local = civil.as_second();
        let (before, after) = match self.0.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset } => (offset, offset),
            AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => (before, after),
        };
        let (before, after) = (local - i64::from(before.seconds()), local - i64::from(after.seconds()));
        let time = if tm.isdst < 0 { before } else { self.choose(local, before, after, tm.isdst > 0) };
        let time = time + cycles * CYCLE + i64::from(tm.sec) - i64::from(sec);
        // That it has a year, before anything is written.
        Tm::at(time, self.at(time).offset, false).map(|_| time)
    }

    /// The time whose clocks are, or are not, at summer time and show `local`.
    fn choose(&self, local: i64, before: i64, after: i64, dst: bool) -> i64 {
        // Where clocks skip an hour, each offset is the one of the other time.
        for time in [after, before] {
            let shown = self.at(time);
            if shown.dst == dst {
                return local - i64::from(shown.offset);
            }
        }
        let near = self.nearest(before, dst);
        let shown = i64::from(self.at(before).offset);
        local - near.unwrap_or(if dst { shown + 3600 } else { shown - 3600 })
    }

    /// The offset of the time nearest to `time` that is summer time, or is not.
    fn nearest(&self, time: i64, dst: bool) -> Option<i64> {
        let at = Timestamp::from_second(time).ok()?;
        let mut changes = self.0.following(at).take_while(|change| change.timestamp().as_second() - time <= NEARBY);
        let later = changes.find(|change| change.dst().is_dst() == dst);
        let later = later.map(|change| (change.timestamp().as_second() - time, change.offset().seconds()));
        let (mut until, mut earlier) = (time, None);
        for change in self.0.preceding(at) {
            if change.dst().is_dst() == dst || time - until > NEARBY {
                earlier = Some((time - until, change.offset().seconds()));
                break;
            }
            until = change.timestamp().as_second();
        }
        let nearest = earlier.into_iter().chain(later).min_by_key(|(distance, _)| *distance);
        nearest.filter(|(distance, _)| *distance <= NEARBY).map(|(_, offset)| offset.into())
    }

    /// Standard time and, when there is one within a year of `now`, summer time.
    pub(crate) fn times(&self, now: i64) -> (Shown, Option<Shown>) {
        let current = self.at(now);
        let (_, start) = folded(now);
        let year = |change: Timestamp| change.as_second() - start.as_second() < 400 * super::calendar::DAY;
        let mut changes = self.0.following(start).take_while(|change| year(change.timestamp()));
        let other = changes.find(|change| change.dst().is_dst() != current.dst).map(|change| Shown {
            offset: change.offset().seconds(),
            dst: change.dst().is_dst(),
            name: change.abbreviation().to_owned(),
        });
        match other {
            Some(other) if current.dst => (other, Some(current)),
            other => (current, other),
        }
    }
}

/// A time as one that the zone database can look up, and how many cycles it was moved.
fn folded(time: i64) -> (i64, Timestamp) {
    let cycles = if time >= LATE {
        (time - LATE) / CYCLE + 1
    } else if time < EARLY {
        // Not `EARLY - time`, which may overflow.
        (time + 1 - EARLY) / CYCLE - 1
    } else {
        0
    };
    (cycles, Timestamp::from_second(time - cycles * CYCLE).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// What stands behind `TZ=`, hashed, to see that it has changed.
pub(crate) fn key(tz: Option<&[u8]>) -> u64 {
    // FNV-1a: the guest only fools itself by a collision.
    let bytes = tz.unwrap_or_default();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Seconds of 64 bits in 32.
///
/// # Errors
/// `EOVERFLOW`.
pub(crate) fn narrow(time: i64) -> Result<i32> {
    i32::try_from(time).map_err(|_| Errno::EOVERFLOW)
}
