//! Wall-clock times as people read them, in the time zone of the machine.

use nix::libc;

/// People read years of four digits.
const LAST_YEAR: i32 = 9999;

/// A moment in the local time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub day: Day,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// A calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub year: i32,
    /// 0 for January.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 for Sunday.
    pub weekday: u8,
}

impl LocalTime {
    /// `at_ms` counts milliseconds since the Unix epoch. `None` beyond the year 9999: it comes
    /// from other people's clocks.
    pub fn of(at_ms: u64) -> Option<LocalTime> {
        let seconds = libc::time_t::try_from(at_ms / 1000).ok()?;
        // SAFETY: all fields of `tm` may be zero, and localtime_r writes to nothing but it.
        let broken_down = unsafe {
            let mut broken_down: libc::tm = std::mem::zeroed();
            if libc::localtime_r(&seconds, &mut broken_down).is_null() {
                return None;
            }
            broken_down
        };
        let year = broken_down.tm_year.checked_add(1900)?;
        if year > LAST_YEAR {
            return None;
        }
        Some(LocalTime {
            day: Day {
                year,
                month: u8::try_from(broken_down.tm_mon).ok()?,
                day: u8::try_from(broken_down.tm_mday).ok()?,
                weekday: u8::try_from(broken_down.tm_wday).ok()?,
            },
            hour: u8::try_from(broken_down.tm_hour).ok()?,
            minute: u8::try_from(broken_down.tm_min).ok()?,
        })
    }

    pub fn now() -> Option<LocalTime> {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .ok()?;
        LocalTime::of(u64::try_from(since_epoch.as_millis()).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_is_the_same_hour_of_the_next_weekday() {
        // Mid-November has no change of the clocks anywhere.
        let noon_ms = 1_795_003_200_000;
        let first = LocalTime::of(noon_ms).unwrap();
        let second = LocalTime::of(noon_ms + 86_400_000).unwrap();
        assert_eq!(second.hour, first.hour);
        assert_eq!(second.minute, first.minute);
        assert_eq!(second.day.weekday, (first.day.weekday + 1) % 7);
        assert_eq!(first.day.year, 2026);
        assert_eq!(first.day.month, 10);
    }

    #[test]
    fn nonsense_from_another_clock_has_no_local_time() {
        assert_eq!(LocalTime::of(u64::MAX), None);
    }
}
