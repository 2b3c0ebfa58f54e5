//! What the kernel tells about processes: processor time of all their threads, memory, and how much
//! of a processor went elsewhere.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;

/// Where the server under measurement runs, and where everything else does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The processor of the generator, the databases and Redis.
    pub(crate) generator: usize,
    /// The processor of the server, if there is a second one.
    pub(crate) server: Option<usize>,
}

impl Layout {
    /// The first two processors that this process may use.
    pub(crate) fn of_machine() -> Result<Self, BenchError> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        Ok(Self {
            generator: cores.next().unwrap_or(0),
            server: cores.next(),
        })
    }

    /// Keeps the calling thread, and what it starts, on the generator's processor.
    pub(crate) fn pin_generator(self) -> Result<(), BenchError> {
        pin(self.generator)
    }

    /// Starts a program on the server's processor. Its threads and children stay there.
    pub(crate) fn spawn_server(
        self,
        command: &mut Command,
    ) -> Result<std::process::Child, BenchError> {
        let Some(server) = self.server else {
            return Ok(command.spawn()?);
        };
        pin(server)?;
        let child = command.spawn();
        pin(self.generator)?;
        Ok(child?)
    }
}

fn pin(core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Nanoseconds that each thread has had so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent(BTreeMap<(u32, u32), u64>);

impl Spent {
    /// Of these processes and all that descend from them. A process that is gone counts nothing.
    pub(crate) fn of(roots: &[u32]) -> Self {
        let mut threads = BTreeMap::new();
        for pid in family(roots) {
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
                continue;
            };
            for task in tasks.flatten() {
                let spent = fs::read_to_string(task.path().join("schedstat"))
                    .ok()
                    .and_then(|text| text.split(' ').next()?.parse().ok());
                let thread = task.file_name().to_str().and_then(|id| id.parse().ok());
                if let (Some(spent), Some(thread)) = (spent, thread) {
                    threads.insert((pid, thread), spent);
                }
            }
        }
        Self(threads)
    }

    /// What was spent since `before`. A thread that was born meanwhile began at nought; one that
    /// ended meanwhile is not seen.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let nanoseconds = self.0.iter().map(|(thread, spent)| {
            spent.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

/// These processes and all that descend from them.
fn family(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        found.extend(children.remove(&pid).unwrap_or_default());
        at += 1;
    }
    found
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Resident memory of these processes and their descendants, in KiB.
pub(crate) fn rss_kib(roots: &[u32]) -> u64 {
    let of_one = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    family(roots).into_iter().filter_map(of_one).sum()
}

/// Ticks of one processor since the machine started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    busy: u64,
    steal: u64,
    total: u64,
}

/// How much of a window went elsewhere, as parts of one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elsewhere {
    /// The hypervisor gave it to other guests.
    pub(crate) steal: f64,
    /// Other processes had it.
    pub(crate) foreign: f64,
}

impl Ticks {
    /// Of this processor, now.
    pub(crate) fn of(core: usize) -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let name = format!("cpu{core}");
        let numbers: Vec<u64> = stat
            .lines()
            .find(|line| line.split(' ').next() == Some(&name))
            .map(|line| {
                line.split_whitespace()
                    .skip(1)
                    .filter_map(|number| number.parse().ok())
                    .collect()
            })
            .unwrap_or_default();
        let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
        // user nice system idle iowait irq softirq steal
        let total = (0..8).map(at).sum();
        Self {
            busy: at(0) + at(1) + at(2) + at(5) + at(6),
            steal: at(7),
            total,
        }
    }

    /// What went elsewhere since `before`, where the measured processes spent `own`.
    pub(crate) fn elsewhere(self, before: Self, own: Duration) -> Elsewhere {
        /// Ticks in a second, on every Linux.
        const HERTZ: f64 = 100.0;
        let total = (self.total.saturating_sub(before.total)).max(1) as f64;
        let busy = self.busy.saturating_sub(before.busy) as f64;
        Elsewhere {
            steal: self.steal.saturating_sub(before.steal) as f64 / total,
            foreign: ((busy - own.as_secs_f64() * HERTZ) / total).clamp(0.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_born_meanwhile_began_at_nought() {
        let before = Spent([((1, 1), 100)].into());
        let after = Spent([((1, 1), 150), ((1, 2), 7)].into());
        assert_eq!(after.since(&before), Duration::from_nanos(57));
    }

    #[test]
    fn this_process_is_in_its_own_family_and_has_memory() {
        let own = std::process::id();
        assert_eq!(family(&[own]).first(), Some(&own));
        assert!(rss_kib(&[own]) > 0);
    }
}
